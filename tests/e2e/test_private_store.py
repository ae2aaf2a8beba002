"""Private stores on real hosts: what lets a host in is in no argument list, log or file of ours."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.hosts import Host
from tests.support.releases import SCRIPT, Released, publish, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit import engine
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, Presign, render_for
from toolkit.store_config import S3Config
from toolkit.stores import presigned

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
SECRET = "t0ken-nobody-may-see"
HEADER = "/home/operator/header"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("private"))


def put_script(released: Released, host: Host, choices: Choices) -> str:
    """Put a script into the operator's home; gives its text."""
    rendered = render_for(released.spec, released.dist, choices)
    script = released.dist / "install-private.sh"
    script.write_text(rendered.text, "utf-8")
    host.put(script, SCRIPT, mode=rendered.mode)
    return rendered.text


def put_header(host: Host, tmp_path: Path, line: str) -> None:
    file = tmp_path / "header"
    file.write_text(f"{line}\n", "utf-8")
    host.put(file, HEADER, mode=0o600)


def install(host: Host, *, over_http: bool = True) -> tuple[int, str]:
    variables = {"STORE_HEADER_FILE": HEADER}
    if over_http:  # the test bed's stores are not on loopback, and have no TLS
        variables["STORE_HEADER_OVER_HTTP"] = "1"
    done = host.run([SCRIPT], env=variables, check=False, timeout=240)
    return done.returncode, done.stdout + done.stderr


@contextmanager
def spied(host: Host, seen: list[str]) -> Iterator[None]:
    """Look at all argument lists of the host while the block runs."""
    spy = (
        "while [ ! -e /tmp/enough ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; "
        "done > /home/visitor/seen"
    )
    watcher = host.spawn(["sh", "-c", spy], user="visitor")
    try:
        yield
    finally:
        host.run(["touch", "/tmp/enough"], user="visitor")
        watcher.wait(timeout=20)
    seen.append(host.run(["cat", "/home/visitor/seen"], user="visitor").stdout)


def assert_nowhere(host: Host, secret: str, *texts: str) -> None:
    """The secret is in none of `texts`, in no file below /opt and in no log."""
    assert all(secret not in text for text in texts)
    assert secret not in host.run(["journalctl", "--no-pager"], user="root").stdout
    found = host.run(["grep", "-r", "-l", "-e", secret, "/opt", "/tmp"], user="root", check=False)
    assert found.stdout == ""


@pytest.mark.parametrize("way", ["pinned", "trusted"])
def test_a_header_lets_the_host_in_and_is_seen_nowhere(
    way: str, plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    publish(plain, store)
    choices = Choices(store.url)
    if way == "trusted":
        signed = SignedStore(store.root)
        file = plain.artifact.tarball
        target = release("1.0.0", platform=plain.artifact.platform, channels={"stable": Rollout()})
        signed.add(file, (plain.dist / file).read_bytes(), target)
        signed.publish()
        choices = Choices(store.url, root=signed.root_bytes(1), channel="stable")
    store.wanted_header = ("Authorization", f"Bearer {SECRET}")
    put_script(plain, host, choices)

    put_header(host, tmp_path, f"Authorization: Bearer {SECRET}")
    code, said = install(host, over_http=False)
    assert code == 11, said
    assert "STORE_HEADER_OVER_HTTP=1" in said
    assert SECRET not in str(store.seen)

    put_header(host, tmp_path, "Authorization: Bearer wrong")
    code, said = install(host)
    assert code == 20, said
    assert f"the header in {HEADER}" in said

    put_header(host, tmp_path, f"Authorization: Bearer {SECRET}")
    host.run(["chmod", "640", HEADER])
    code, said = install(host)
    assert code == 11, said
    assert f"others may read {HEADER}" in said
    host.run(["chown", "visitor", HEADER], user="root")
    host.run(["chmod", "600", HEADER], user="root")
    assert install(host)[0] == 11

    host.run(["chown", "root", HEADER], user="root")
    # curl waits a second before it tries again: the spy can't miss it, however busy the machine.
    store.fail(503, path_suffix=engine.build().name, times=1)
    seen: list[str] = []
    with spied(host, seen):
        code, said = install(host)
    assert code == 0, said
    assert "agentctl" in seen[0]  # it did watch
    assert "curl" in seen[0]
    assert_nowhere(host, SECRET, said, *seen)
    host.run(["chown", "operator", HEADER], user="root")
    code, said = install(host)
    assert code == 0, said
    assert "no change" in said
    found = host.run(["grep", "-r", "-l", "-e", HEADER, "/opt"], user="root", check=False)
    # Its name, for upgrades; what is in it stands nowhere.
    assert found.stdout.split() == ["/opt/tiny/state.json"]


def test_where_the_store_redirects_to_gets_no_header(
    plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    """curl by itself would send a header of this name on to anybody."""
    publish(plain, store)
    address = str(urllib.parse.urlsplit(store.url).hostname)
    (tmp_path / "front").mkdir()
    with StoreServer(tmp_path / "front", address=address) as front:
        front.redirects_to = store.url
        put_script(plain, host, Choices(front.url))
        put_header(host, tmp_path, f"X-Store-Key: {SECRET}")
        code, said = install(host)
        assert code == 0, said
        assert sum(value == SECRET for _, value in front.seen) == 2  # for curl, and for agentctl
        assert SECRET not in str(store.seen)


def test_signed_addresses_let_the_host_in_and_are_seen_nowhere(
    plain: Released,
    host: Host,
    store: StoreServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    publish(plain, store)
    bucket = store.root / "agents"
    bucket.mkdir()
    for file in [each for each in store.root.iterdir() if each.is_file()]:
        file.rename(bucket / file.name)
    store.wants_signature = True
    config = S3Config(type="s3", bucket="agents", endpoint=store.url, region="auto")
    presign = Presign(lambda names: presigned(config, names, 3600), datetime.now(UTC))
    text = put_script(plain, host, Choices("", presign=presign))
    assert text.count("X-Amz-Signature=") == 2
    seen: list[str] = []
    with spied(host, seen):
        done = host.run([SCRIPT], check=False, timeout=240)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert f"fetch {store.url}/agents/{plain.artifact.tarball}" in said
    assert "agentctl" in seen[0]
    assert_nowhere(host, "X-Amz-Signature", said, *seen)
