"""Secrets of twenty and more kinds, to be planted where a support bundle looks; none is real.

They are put together here, so that no scanner of repositories takes them for real ones.
"""

from __future__ import annotations

_LONG = "Zq8Xw3Lk9Vb2Nm5Rt7Yp"
LINES = {
    # kind: (a line that has the secret, what must not be left of it)
    "authorization": (f"> Authorization: Digest username=x, response={_LONG}A", f"{_LONG}A"),
    "bearer": (f"sent Bearer {_LONG}B to it", f"{_LONG}B"),
    "basic": (f'{{"headers":{{"authorization":"Basic {_LONG}C=="}}}}', f"{_LONG}C"),
    "aws id": ("using AKIA" + "QWERTYUIOPASDFGH now", "QWERTYUIOPASDFGH"),
    "aws secret": (f"aws_secret_access_key = {_LONG}/D+{_LONG}", f"{_LONG}/D"),
    "private key": (
        f"-----BEGIN RSA PRIVATE KEY-----\n{_LONG}E\n{_LONG}F\n-----END RSA PRIVATE KEY-----",
        f"{_LONG}E",
    ),
    "escaped key": (
        f'"-----BEGIN PRIVATE KEY-----\\n{_LONG}G\\n-----END PRIVATE KEY-----\\n"',
        f"{_LONG}G",
    ),
    "jwt": (f"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx{_LONG}H.{_LONG}I", f"{_LONG}H"),
    "url password": (f"connect postgres://agent:{_LONG}J@db.example:5432/x", f"{_LONG}J"),
    "url user": (f"clone https://{_LONG}K@git.example/x", f"{_LONG}K"),
    "github": (f"remote: ghp_{_LONG}L{_LONG}", f"{_LONG}L"),
    "gitlab": (f"remote: glpat-{_LONG}M", f"{_LONG}M"),
    "slack": (f"posting by xoxb-123-{_LONG}N", f"{_LONG}N"),
    "slack hook": (f"https://hooks.slack.com/services/T0/B0/{_LONG}O", f"{_LONG}O"),
    "npm": (f"//registry.example/:_authToken=npm_{_LONG}P{_LONG}", f"{_LONG}P"),
    "stripe": (f"charge by sk_live_{_LONG}Q", f"{_LONG}Q"),
    "openai": (f"model by sk-proj-{_LONG}R{_LONG}", f"{_LONG}R"),
    "anthropic": (f"model by sk-ant-api03-{_LONG}S{_LONG}", f"{_LONG}S"),
    "google": (f"maps by AIza{_LONG}T{_LONG}", f"{_LONG}T"),
    "signed url": (f"GET https://s3.example/x?X-Amz-Signature={_LONG}U&a=1", f"{_LONG}U"),
    "sas": (f"GET https://blob.example/x?sv=1&sig={_LONG}V", f"{_LONG}V"),
    "cookie": (f"set-cookie: session={_LONG}W; Path=/", f"{_LONG}W"),
    "password": (f"login with password={_LONG}X failed", f"{_LONG}X"),
    "json password": (f'{{"dbPassword": "two {_LONG}Y words", "ok": 1}}', f"{_LONG}Y"),
    "argument": (f"exec agent --api-token {_LONG}Z --verbose", f"{_LONG}Z"),
    "header": (f"X-Api-Key: {_LONG}0", f"{_LONG}0"),
    "vault": (f"vault says hvs.{_LONG}1", f"{_LONG}1"),
}
# What stands in .env, with what would be hard to find in other forms.
ENV = {
    "AGENT_SECRET": "corr3ct/horse+battery staple",
    "DB_URL": "p\"ut it'ere",
    "SHORT": "ab1",
    "CERTIFICATE": "line-one-of-it\nline-two-of-it",
}
