"""`agentctl support-bundle`: small, closed, and without secrets, whatever form they stand in."""

from __future__ import annotations

import base64
import gzip
import io
import json
import random
import stat
import subprocess
import tarfile
import urllib.parse
from pathlib import Path

import pytest

from tests.support.installed import put_service
from tests.support.planted import ENV, LINES
from toolkit.host import cli
from toolkit.host.bundle import MOST
from toolkit.host.envfile import merge_env
from toolkit.host.errors import UsageError
from toolkit.host.layout import Layout
from toolkit.host.redact import GONE, LINE_LENGTH, Redactor

SECRET = ENV["AGENT_SECRET"]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = put_service(tmp_path / "tiny", reason=f"refused: {LINES['password'][0]}")
    layout.agentctl.write_bytes(b"engine")
    layout.env.touch(mode=0o600)
    env = {name: value for name, value in ENV.items() if name != "DB_URL"}
    layout.env.write_text(merge_env("", env) + 'DB_URL="p\\"ut it\'ere"\n', "utf-8")
    return layout


def bundled(layout: Layout, output: Path) -> dict[str, str]:
    assert cli.main(["support-bundle", "--home", str(layout.home), "--output", str(output)]) == 0
    with tarfile.open(output) as archive:
        return {
            member.name.removeprefix("support/"): text.read().decode()
            for member in archive
            if (text := archive.extractfile(member))
        }


@pytest.mark.parametrize("kind", LINES)
def test_what_looks_like_a_secret(kind: str) -> None:
    line, secret = LINES[kind]
    for text in (line, f"2026-05-05 host tiny[1]: {line}\nnext", json.dumps({"log": line})):
        clean = Redactor([]).text(text)
        assert secret not in clean
        assert GONE in clean
    assert "next" in Redactor([]).text(f"{line}\nnext")


@pytest.mark.parametrize("kind", LINES)
def test_values_of_json(kind: str) -> None:
    found = Redactor(["1234567"]).value({"a": [LINES[kind][0], 1234567, None, True]})
    assert found["a"][1:] == [GONE, None, True]
    assert LINES[kind][1] not in json.dumps(found)


def forms(value: str) -> list[str]:
    quoted = urllib.parse.quote(value, safe="")
    escaped = json.dumps(value)[1:-1]
    around = [f"{'x' * before}{value}{'y' * after}" for before in range(3) for after in range(3)]
    return [
        *(value, quoted, quoted.lower(), urllib.parse.quote_plus(value), escaped),
        *(json.dumps(escaped)[1:-1], value.encode().hex(), subprocess.list2cmdline([value])),
        *(base64.b64encode(text.encode()).decode() for text in around),
        *(base64.urlsafe_b64encode(text.encode()).decode() for text in around),
    ]


@pytest.mark.parametrize("name", ["AGENT_SECRET", "DB_URL"])
def test_known_values_in_every_form(name: str) -> None:
    value = ENV[name]
    encoded = base64.b64encode(f"xxx{value}".encode()).decode()
    for form in forms(value):
        clean = Redactor([value]).text(f"saw {form} there")
        assert form not in clean
        assert encoded[6:-4] not in clean
        assert GONE in clean
        assert clean.startswith("saw ")
        assert clean.endswith(" there")


def test_what_is_no_secret_stays() -> None:
    text = (
        "2026-05-05T10:00:00 tiny[12]: GET http://127.0.0.1:7070/ 200, passed 3, compass=n\n"
        'sha256: 9f86d081884c7d65, {"version": "1.0.0", "pid": 123}, me@example.org\n'
    )
    assert Redactor([SECRET, "abc"]).text(text) == text


def test_keys_that_a_cut_has_halved() -> None:
    key = f"{LINES['private key'][1]}\n" * 20
    begun = Redactor([]).text(f"before\n-----BEGIN PRIVATE KEY-----\n{key}")
    ended = Redactor([]).text(f"{key}-----END PRIVATE KEY-----\nafter\n")
    assert (begun, ended) == (f"before\n{GONE}", f"{GONE}\nafter\n")


def test_a_line_that_is_too_long_ends_with_no_half_secret() -> None:
    token = LINES["github"][0].split()[1]
    clean = Redactor([]).text("x" * (LINE_LENGTH - 10) + " " + token + " " + "y" * 9 + "\nnext\n")
    assert token[:8] not in clean
    assert clean.endswith("[cut]\nnext\n")


def test_a_bundle_has_what_helps_and_no_secret(layout: Layout, tmp_path: Path) -> None:
    lines = [line for line, _ in LINES.values()]
    lines += [f"value {form} seen" for value in ENV.values() for form in forms(value)]
    (layout.logs / "agent.log").write_text("\n".join(["started", *lines, "ended"]) + "\n", "utf-8")
    history = [{"at": "2026", "reason": line, "token": "abc"} for line in lines]
    (layout.home / "history.jsonl").write_text("\n".join(map(json.dumps, history)), "utf-8")
    output = tmp_path / "out.tar.gz"
    files = bundled(layout, output)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert set(files) >= {
        *("README.txt", "state.json", "status.json", "doctor.json", "history.jsonl", "log.txt"),
        *("versions.txt", "disk.txt", "memory.txt", "folder.txt", "env-names.txt"),
    }
    whole = gzip.decompress(output.read_bytes()).decode()
    secrets = [secret for _, secret in LINES.values()]
    secrets += [SECRET, ENV["DB_URL"], *ENV["CERTIFICATE"].splitlines()]
    assert [secret for secret in secrets if secret in whole] == []
    for name in ("state.json", "status.json", "doctor.json"):
        json.loads(files[name])
    for line in files["history.jsonl"].splitlines():
        json.loads(line)
    assert files["env-names.txt"].split() == sorted(ENV)
    assert "started" in files["log.txt"]
    assert "ended" in files["log.txt"]
    assert ".env" in files["folder.txt"]


@pytest.mark.parametrize("random_log", [False, True])
def test_fifty_megabytes_of_log_make_one_at_most(
    layout: Layout, tmp_path: Path, random_log: bool
) -> None:
    noise = random.Random(1)
    with (layout.logs / "agent.log").open("w", encoding="utf-8") as log:
        for number in range(500_000):
            word = f"{noise.getrandbits(320):080x}" if random_log else "the same words " * 5
            log.write(f"2026-05-05 {number:07} {word}\n")
    output = tmp_path / "out.tar.gz"
    files = bundled(layout, output)
    assert output.stat().st_size <= MOST
    assert files["log.txt"].endswith(f"{499_999:07} {word}\n")
    assert len(files["log.txt"]) > 500_000


def test_a_file_that_is_there_stays(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there").write_text("mine", "utf-8")
    words = ["support-bundle", "--home", str(layout.home), "--output", str(tmp_path / "there")]
    assert cli.main(words) == UsageError.exit_code
    assert (tmp_path / "there").read_text("utf-8") == "mine"


def test_the_archive_is_one_that_tar_reads(layout: Layout, tmp_path: Path) -> None:
    output = tmp_path / "out.tar.gz"
    bundled(layout, output)
    with tarfile.open(fileobj=io.BytesIO(output.read_bytes())) as archive:
        assert {member.mode for member in archive} == {0o600}
