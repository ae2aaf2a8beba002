"""What the install script can be asked for, and what it says where that can't be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forward_proxy import forward_proxy
from tests.support.hosts import Host
from tests.support.network import HostNetwork
from tests.support.private_ca import PrivateCa
from tests.support.releases import SCRIPT, Released, install, publish, put_script, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, render_for

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
CA = "/home/operator/ca.pem"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def signed(store: StoreServer, plain: Released) -> SignedStore:
    return offered(store, plain)


def offered(store: StoreServer, released: Released) -> SignedStore:
    """Publish a release, with the channel `stable` at it."""
    publish(released, store)
    signed = SignedStore(store.root)
    file = released.artifact.tarball
    target = release("1.0.0", platform=released.artifact.platform, channels={"stable": Rollout()})
    signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()
    return signed


def put_channel_script(signed: SignedStore, url: str, released: Released, host: Host) -> None:
    choices = Choices(url, root=signed.root_bytes(1), channel="stable")
    script = released.dist / "install-channel.sh"
    script.write_text(render_for(released.spec, released.dist, choices).text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)


def everything(host: Host) -> str:
    """List each file with its size, mode and time of change, but for what runs by itself."""
    prune = " -o ".join(f"-path {path}" for path in ("/proc", "/sys", "/run", "/var/log"))
    find = f"find / -xdev \\( {prune} \\) -prune -o -type f -printf '%p %s %m %T@\\n' | sort"
    return host.run(["sh", "-c", find], user="root").stdout


def test_check_changes_nothing_before_and_after_an_installation(
    signed: SignedStore, plain: Released, store: StoreServer, host: Host
) -> None:
    put_channel_script(signed, store.url, plain, host)
    before = everything(host)
    piped = host.run(["bash", "-c", f"cat {SCRIPT} | bash -s -- --check"], check=False)
    assert piped.returncode == 0, piped.stdout + piped.stderr
    assert "/opt/tiny: nothing is installed, 1.0.0 would" in piped.stdout
    assert "start tiny 1.0.0" in piped.stdout
    assert everything(host) == before
    done = host.run(["bash", "-c", f"cat {SCRIPT} | bash"], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    signed.publish()  # newer metadata, which a check may look at and not keep
    before = everything(host)
    checked = install(host, "--check")
    assert "/opt/tiny: 1.0.0 runs, 1.0.0 would" in checked.stdout, checked.stderr
    assert everything(host) == before


def test_a_version_for_a_channels_script(
    signed: SignedStore, plain: Released, store: StoreServer, host: Host
) -> None:
    put_channel_script(signed, store.url, plain, host)
    done = install(host, "--version", "9.9.9")
    assert done.returncode == 45, done.stdout + done.stderr
    assert "9.9.9" in done.stderr
    done = install(host, "--version=1.0.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Agent: tiny 1.0.0" in done.stdout


def test_words_that_can_not_be(plain: Released, store: StoreServer, host: Host) -> None:
    put_script(plain, store, host)
    for words, said in [
        (["--version", "2.0.0"], "this script installs tiny 1.0.0, not 2.0.0"),
        (["--version"], "--version needs a value"),
        (["--bundle", ""], "--bundle needs a value"),
        (["--bundle", "/nowhere"], "/nowhere can't be read"),
        (["--cacert", "/nowhere"], "/nowhere, which is to hold the certificate"),
        (["--nothing"], "--nothing is unknown"),
        (["--check", "more"], "more is unknown"),
        (["other"], "other is unknown"),
    ]:
        done = install(host, *words)
        assert (done.returncode, said in done.stderr) == (2, True), (words, done.stderr)
    for words in (["--help"], ["-h"], ["--check", "--help"], ["install", "--help"]):
        done = install(host, *words)
        assert (done.returncode, "--bundle FILE" in done.stdout) == (0, True), done.stderr
    assert host.run(["ls", "/opt"]).stdout == ""
    assert install(host, "install", "--version", "1.0.0").returncode == 0
    assert install(host, "--uninstall").returncode == 0
    assert host.run(["ls", "/opt"]).stdout == ""


def test_a_script_cut_anywhere_does_nothing(
    signed: SignedStore, plain: Released, store: StoreServer, host: Host
) -> None:
    """Whatever bash, sudo or a store sees of it would show."""
    put_channel_script(signed, store.url, plain, host)
    asked = len(store.requests)
    before = everything(host)
    loop = (
        "all=$(stat -c %s install.sh); for ((n = 0; n < all - 2; n += 50)); do "
        "head -c $n install.sh | bash 2>/dev/null; done; echo $((n / 50)) cuts"
    )
    done = host.run(["bash", "-c", loop])
    cuts = done.stdout.split()
    assert int(cuts[0]) > 200
    assert cuts[1:] == ["cuts"]
    assert everything(host) == before
    assert len(store.requests) == asked
    assert "sudo" not in host.journal(20)


@pytest.fixture
def tls_store(tmp_path: Path, host_network: HostNetwork) -> Iterator[StoreServer]:
    (tmp_path / "tls").mkdir()
    context = PrivateCa(tmp_path).server(host_network.gateway, "store.test")
    with StoreServer(tmp_path / "tls", host_network.gateway, tls=context) as server:
        yield server


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_private_ca_is_honoured_and_named_where_it_is_missing(
    tool: str, plain: Released, tls_store: StoreServer, host: Host, tmp_path: Path
) -> None:
    other = {"curl": "wget", "wget": "curl"}[tool]
    host.run(["rm", "-f", f"/usr/bin/{other}"], user="root")
    put_channel_script(offered(tls_store, plain), tls_store.url, plain, host)
    done = install(host)
    assert done.returncode == 20, done.stdout + done.stderr
    assert "shows a certificate that this host does not believe" in done.stderr
    assert "a private CA signed it" in done.stderr
    assert "--cacert FILE" in done.stderr
    assert host.run(["ls", "/opt"]).stdout == ""

    host.put(tmp_path / "ca.pem", CA)
    done = install(host, "--check", "--cacert", "ca.pem")
    assert done.returncode == 0, done.stdout + done.stderr
    variable = {"curl": "CURL_CA_BUNDLE", "wget": "SSL_CERT_FILE"}[tool]
    done = install(host, **{variable: CA})
    assert done.returncode == 0, done.stdout + done.stderr
    # agentctl remembers what the script was told, also for its timer.
    upgrade = ["/opt/tiny/agentctl", "upgrade"]
    host.run(["mv", CA, f"{CA}.gone"])
    done = host.run(["sudo", *upgrade], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = host.run(["sudo", "/opt/tiny/agentctl", "doctor"], check=False)
    assert "FAIL" not in checked.stdout, checked.stdout
    host.run(["sudo", "/opt/tiny/agentctl", "follow", "stable", "--every", "1d"])
    host.run(["systemctl", "start", "tiny-follow.service"], user="root")
    # Told of none, then of it, then the host itself knows it.
    host.run(["mv", f"{CA}.gone", CA])
    host.run(["rm", "/opt/tiny/store-ca.pem"], user="root")
    done = host.run(["sudo", *upgrade], check=False)
    assert done.returncode == 20, done.stdout + done.stderr
    assert "this host does not believe the certificate" in done.stderr
    assert "a private CA signed it" in done.stderr
    done = host.run(["sudo", f"SSL_CERT_FILE={CA}", *upgrade], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "BEGIN CERTIFICATE" in host.read("/opt/tiny/store-ca.pem")
    host.run(["cp", CA, "/usr/local/share/ca-certificates/our.crt"], user="root")
    host.run(["update-ca-certificates"], user="root")
    known = "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"
    assert host.run(["sudo", known, *upgrade], check=False).returncode == 0
    assert host.run(["ls", "/opt/tiny/store-ca.pem"], check=False).returncode != 0
    assert host.run(["sudo", *upgrade], check=False).returncode == 0
    assert install(host).returncode == 0
    assert install(host, "uninstall").returncode == 0
    assert host.run(["ls", "/opt"]).stdout == ""


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_tls_through_a_proxy_to_a_store_that_only_the_proxy_reaches(
    tool: str, plain: Released, tls_store: StoreServer, host: Host, tmp_path: Path
) -> None:
    host.run(["rm", "-f", {"curl": "/usr/bin/wget", "wget": "/usr/bin/curl"}[tool]], user="root")
    put_channel_script(offered(tls_store, plain), "https://store.test", plain, host)
    host.put(tmp_path / "ca.pem", CA)
    netloc = tls_store.url.removeprefix("https://")
    with forward_proxy(netloc.partition(":")[0], {"store.test": netloc}) as proxy:
        assert install(host, "--cacert", CA).returncode == 20
        done = install(host, "--cacert", CA, https_proxy=proxy)
        assert done.returncode == 0, done.stdout + done.stderr
