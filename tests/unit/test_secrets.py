"""Files that hold secrets stop a build; files that only look similar do not."""

import pytest

from toolkit.errors import SecretFoundError
from toolkit.secrets import OVERLAP, Finding, look, reason_by_content, reason_by_path, refuse

# Put together here, so that no scanner takes this file for a leak.
LETTERS = "aB3" * 40
TOKENS = {
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + LETTERS[:36],
    "GitHub, fine-grained": "github_pat_" + LETTERS[:82],
    "GitLab": "glpat-" + LETTERS[:20],
    "npm": "npm_" + LETTERS[:36],
    "PyPI": "pypi-" + "AgE" + LETTERS[:80],
    "Anthropic": "sk-ant-" + "api03-" + LETTERS[:93] + "AA",
    "OpenAI": "sk-proj-" + LETTERS[:80],
    "Groq": "gsk_" + LETTERS[:52],
    "Google": "AIza" + LETTERS[:35],
    "Slack": "xoxb-" + "1234567890-" + LETTERS[:24],
    "Stripe": "sk_live_" + LETTERS[:24],
    "Telegram": "123456789:" + "AA" + LETTERS[:33],
    "Discord": "MTA" + LETTERS[:21] + "." + "GxYz12" + "." + LETTERS[:38],
    "npmrc": "//registry.example/:_auth" + "Token=" + LETTERS[:36],
    "PEM": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA" + LETTERS[:40],
    "PEM in JSON": '"-----BEGIN ' + "PRIVATE KEY-----\\nMIIEvQIBADANBgkq" + LETTERS[:40] + '"',
    "OpenSSH": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA",
    "PGP": "-----BEGIN PGP " + "PRIVATE KEY BLOCK-----\n\nlQOYBF8AAAABCADGm0gE",
}


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "config/.env.production",
        "prod.env",
        "server.key",
        "KEYS/SERVER.KEY",
        "cert.p12",
        "tls/server.pem",
        "a/b.pfx",
        ".ssh/id_rsa",
        "id_ed25519",
        ".netrc",
        ".pypirc",
        ".aws/credentials",
        "home/.docker/config.json",
        "credentials.json",
        "passwords.kdbx",
    ],
)
def test_names_that_hold_secrets(path: str) -> None:
    assert reason_by_path(path)


@pytest.mark.parametrize(
    "path",
    [
        ".env.example",
        ".env.sample",
        "config/.env.template",
        "id_rsa.pub",
        "env",
        "environment.ts",
        "keyboard.js",
        "src/credentials.ts",
        "docker/config.json",
        ".npmrc",
        "ca.crt",
    ],
)
def test_names_that_hold_none(path: str) -> None:
    assert reason_by_path(path) is None


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("around", ["{}", "token = '{}'", 'x="{}";\n', "a\n{}\nb"])
def test_tokens_in_a_file(kind: str, around: str) -> None:
    assert reason_by_content(around.format(TOKENS[kind]).encode())


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-" + "...",
        "sk-proj-your-key-here",
        "ghp_" + "x",
        'if (line === "-----BEGIN ' + 'PRIVATE KEY-----") {',
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA",
        "-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEA",
        "//registry.example/:_auth" + "Token=${NPM_TOKEN}",
        "sha512-" + LETTERS,
        "xAKIA" + "IOSFODNN7EXAMPLEx",
        "12:34:56 2026-01-01T00:00:00",
    ],
)
def test_text_that_is_no_token(text: str) -> None:
    assert reason_by_content(text.encode()) is None


def test_a_token_across_two_pieces_is_found() -> None:
    data = b"x" * 10_000 + b" " + TOKENS["GitHub"].encode() + b" " + b"y" * 10_000
    first, second = data[:10_020], data[10_020:]
    assert look("a", [first, second]) is None
    assert look("a", [first, first[-OVERLAP:] + second]) == Finding("a", "a token of GitHub")


def test_the_name_is_enough() -> None:
    assert look("a/.env", []) is not None


def test_refusal_names_every_file_and_never_the_secret() -> None:
    with pytest.raises(SecretFoundError) as caught:
        refuse([Finding("b.key", "a private key"), Finding("a/.env", "an environment file")])
    assert caught.value.why.splitlines() == [
        "a/.env: an environment file",
        "b.key: a private key",
    ]
    assert "2 files look like a secret" in caught.value.message
    assert "build.exclude" in caught.value.hint
    refuse([])
