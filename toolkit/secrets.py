"""Recognises files that hold secrets, by their name and by what stands in them.

Only what has one form and no other use is looked for, so that a finding is worth a stop:
https://docs.github.com/en/code-security/secret-scanning lists most of these forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from toolkit.errors import SecretFoundError

# Content is looked at in pieces; two pieces in a row share this many bytes, so that no
# secret is cut in two.
OVERLAP = 4096

_EXAMPLES = (".example", ".sample", ".template", ".dist")
_NAMES = {
    ".git-credentials": "credentials of git",
    ".htpasswd": "passwords of a web server",
    ".netrc": "passwords of network programs",
    ".pgpass": "passwords of PostgreSQL",
    ".pypirc": "credentials of a package index",
    "_netrc": "passwords of network programs",
    "credentials.json": "credentials",
    "service-account.json": "the key of a service account",
    "id_dsa": "a private SSH key",
    "id_ecdsa": "a private SSH key",
    "id_ed25519": "a private SSH key",
    "id_ed25519_sk": "a private SSH key",
    "id_rsa": "a private SSH key",
}
_PATHS = {
    ".aws/credentials": "credentials of AWS",
    ".docker/config.json": "credentials of image registries",
    ".kube/config": "credentials of a cluster",
}
_SUFFIXES = {
    ".jks": "a key store",
    ".key": "a private key",
    ".keystore": "a key store",
    ".kdbx": "a password store",
    ".p12": "a private key",
    ".pem": "a key or a certificate",
    ".pfx": "a private key",
    ".ppk": "a private SSH key",
}


def _form(expression: str) -> re.Pattern[bytes]:
    """Compile a token's form; no letter or digit may stand directly around it."""
    return re.compile(rb"(?<![A-Za-z0-9_-])(?:" + expression.encode() + rb")(?![A-Za-z0-9_-])")


_CONTENTS = (
    (
        re.compile(
            rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
            rb"(?=(?:\\[rn]|[\s\"'+,])*[A-Za-z0-9+/=:-]{16})"
        ),
        "a private key",
    ),
    (re.compile(rb"(?m)^PuTTY-User-Key-File-\d"), "a private SSH key"),
    (re.compile(rb":_(?:authToken|password|auth)\s*=\s*[^\s${]"), "a token of the npm registry"),
    (_form(r"(?:AKIA|ASIA)[A-Z2-7]{16}"), "an access key of AWS"),
    (_form(r"gh[pousr]_[A-Za-z0-9]{36,}"), "a token of GitHub"),
    (_form(r"github_pat_[A-Za-z0-9_]{60,}"), "a token of GitHub"),
    (_form(r"glpat-[A-Za-z0-9_-]{20,}"), "a token of GitLab"),
    (_form(r"npm_[A-Za-z0-9]{36}"), "a token of the npm registry"),
    (_form(r"pypi-AgE[A-Za-z0-9_-]{60,}"), "a token of a package index"),
    (_form(r"sk-ant-[A-Za-z0-9]+-[A-Za-z0-9_-]{32,}"), "a key of Anthropic"),
    (_form(r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"), "a key of OpenAI"),
    (_form(r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"), "a key of OpenAI"),
    (_form(r"gsk_[A-Za-z0-9]{48,}"), "a key of Groq"),
    (_form(r"AIza[A-Za-z0-9_-]{35}"), "a key of Google"),
    (_form(r"xox[abeoprs]-[A-Za-z0-9-]{20,}"), "a token of Slack"),
    (_form(r"xapp-\d-[A-Z0-9]+-\d+-[a-f0-9]{32,}"), "a token of Slack"),
    (_form(r"[sr]k_live_[A-Za-z0-9]{24,}"), "a key of Stripe"),
    (_form(r"\d{8,10}:AA[A-Za-z0-9_-]{33}"), "a token of a Telegram bot"),
    (
        _form(r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
        "a token of a Discord bot",
    ),
    (_form(r"AGE-SECRET-KEY-1[A-Z0-9]{58}"), "a private key of age"),
)


@dataclass(frozen=True)
class Finding:
    """A file that looks like a secret, and why."""

    path: str
    why: str


def reason_by_path(path: str) -> str | None:
    """Say which secret a file of this name is for, or None."""
    name = path.rsplit("/", 1)[-1].lower()
    if name.endswith(_EXAMPLES):
        return None
    if name == ".env" or name.startswith(".env.") or name.endswith(".env"):
        return "an environment file, which holds the secrets of one host"
    for known, why in _PATHS.items():
        if f"/{path}".endswith(f"/{known}"):
            return why
    for suffix, why in _SUFFIXES.items():
        if name.endswith(suffix):
            return why
    return _NAMES.get(name)


def reason_by_content(data: bytes) -> str | None:
    """Say which secret stands in `data`, or None."""
    return next((why for form, why in _CONTENTS if form.search(data)), None)


def look(path: str, pieces: Iterable[bytes]) -> Finding | None:
    """Look at one file, given its content in pieces that overlap by OVERLAP bytes."""
    if why := reason_by_path(path):
        return Finding(path, why)
    return next(
        (Finding(path, why) for piece in pieces if (why := reason_by_content(piece))),
        None,
    )


def refuse(findings: Iterable[Finding]) -> None:
    """Raise SecretFoundError that names every finding, if there is one."""
    found = sorted(findings, key=lambda finding: finding.path)
    if found:
        count = "a file looks" if len(found) == 1 else f"{len(found)} files look"
        raise SecretFoundError(
            f"{count} like a secret and would be published",
            why="\n".join(f"{finding.path}: {finding.why}" for finding in found),
            hint="leave it out with build.exclude; if it is none, name it in build.allow_secrets",
        )
