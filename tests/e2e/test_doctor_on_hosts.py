"""`agentctl doctor` on hosts where something is wrong: the fault is named, with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.hosts import BootHost, Host
from tests.support.releases import SCRIPT, Released, install, publish, put_script, tiny
from tests.support.serve import StoreServer
from tests.support.signed_store import SignedStore, release
from toolkit.host.target import Rollout
from toolkit.install_script import Choices, render_for

pytestmark = [pytest.mark.hosts, pytest.mark.either_suite]
AGENTCTL = "/opt/tiny/agentctl"


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Released:
    return tiny(tmp_path_factory.mktemp("plain"))


def text(host: Host, *words: str) -> str:
    return host.run([AGENTCTL, "doctor", *words], user="root", check=False).stdout


def doctor(host: Host, *words: str, code: int) -> dict[str, dict[str, str]]:
    """Give what each check found, by its name."""
    done = host.run([AGENTCTL, "doctor", "--json", *words], user="root", check=False)
    assert done.returncode == code, text(host, *words) + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is (code == 0)
    return {check["name"]: check for check in found["checks"]}


def bad(found: dict[str, dict[str, str]], level: str = "fail") -> list[str]:
    return [name for name, check in found.items() if check["level"] == level]


def put_trusted(released: Released, store: StoreServer, host: Host) -> SignedStore:
    """Put a script into the operator's home that follows a channel of a signed store."""
    signed = SignedStore(store.root)
    publish(released, store)
    file, spec = released.artifact.tarball, released.spec
    channels = {"stable": Rollout()}
    target = release(spec.release_version, platform=released.artifact.platform, channels=channels)
    signed.add(file, (released.dist / file).read_bytes(), target)
    signed.publish()
    choices = Choices(url=store.url, root=signed.root_bytes(1), channel="stable")
    script = released.dist / "install-trusted.sh"
    script.write_text(render_for(released.spec, released.dist, choices).text, "utf-8")
    host.put(script, SCRIPT, mode=0o755)
    return signed


def test_a_good_host_and_a_cut_cable(plain: Released, host: Host, store: StoreServer) -> None:
    put_trusted(plain, store, host)
    assert install(host).returncode == 0
    state = json.loads(host.read("/opt/tiny/state.json"))
    assert (state["store"], state["channel"]) == (store.url, "stable")

    found = doctor(host, code=0)
    assert bad(found, "warn") == [], text(host)
    assert list(found) == [
        *("service", "last run", "unit", "sandbox", "permissions", "disk", "clock"),
        *("dns", "proxy", "store", "trust"),
    ]
    assert "systemd-analyze security gives tiny.service" in found["sandbox"]["what"]
    assert "has timestamp.json" in found["store"]["what"]
    assert text(host).endswith("all is well\n")

    host.cut_network()
    found = doctor(host, code=3)
    assert bad(found) == ["store"]
    assert "check the network" in found["store"]["do"]
    host.restore_network()
    assert bad(doctor(host, code=0)) == []


def test_names_and_addresses(plain: Released, host: Host, store: StoreServer) -> None:
    put_trusted(plain, store, host)
    assert install(host).returncode == 0
    port = store.url.rpartition(":")[2]
    named = f"http://store.test:{port}"
    hosts = ["sh", "-c", f"echo '{host.test_machine} store.test' >>/etc/hosts"]
    host.run(hosts, user="root")
    assert "store.test, is known" in doctor(host, "--store", named, code=0)["dns"]["what"]
    host.run(["sh", "-c", "echo 127.0.0.1 localhost >/etc/hosts"], user="root")
    host.run(["sh", "-c", "echo nameserver 192.0.2.1 >/etc/resolv.conf"], user="root")
    found = doctor(host, "--store", named, code=3)
    assert bad(found) == ["dns", "store"]
    assert "no name server answers (192.0.2.1)" in found["dns"]["what"]
    assert "look at dns" in found["store"]["do"] or "did not answer" in found["store"]["what"]


def test_a_wrong_clock(plain: Released, host: Host, store: StoreServer) -> None:
    """The store's clock is set instead: containers have no clock of their own."""
    put_trusted(plain, store, host)
    assert install(host).returncode == 0
    store.clock_ahead = 3 * 86_400
    found = doctor(host, code=3)
    assert bad(found) == ["clock"]
    assert "3 days behind the store's" in found["clock"]["what"]
    assert "sudo timedatectl set-ntp true" in found["clock"]["do"]


def test_an_authority_that_nobody_knows(
    plain: Released, host: Host, store: StoreServer, tmp_path: Path
) -> None:
    put_trusted(plain, store, host)
    assert install(host).returncode == 0
    serve = """
set -e
cd /root
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
  -keyout key.pem -out cert.pem -subj /CN=private -addext subjectAltName=DNS:localhost 2>/dev/null
mkdir -p www/metadata
cp /opt/tiny/trust/timestamp.json www/metadata/
cat >serve.py <<'PY'
import http.server, ssl
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/cert.pem", "/root/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PY
systemd-run --quiet --working-directory=/root/www python3 /root/serve.py
for n in $(seq 50); do (: </dev/tcp/127.0.0.1/8443) 2>/dev/null && break; sleep 0.1; done
"""
    host.run(["bash", "-c", serve], user="root")
    found = doctor(host, "--store", "https://localhost:8443", code=3)
    assert bad(found) == ["store"]
    assert "the certificate of https://localhost:8443 is not believed" in found["store"]["what"]
    assert "update-ca-certificates" in found["store"]["do"]
    believed = host.run(
        [AGENTCTL, "doctor", "--store", "https://localhost:8443"],
        user="root",
        env={"SSL_CERT_FILE": "/root/cert.pem"},
        check=False,
    )
    assert believed.returncode == 0, believed.stdout


def test_a_full_disk(plain: Released, boot_host: BootHost, store: StoreServer) -> None:
    host = boot_host(tmpfs={"/opt": "80m"})
    put_trusted(plain, store, host)
    assert install(host).returncode == 0
    assert bad(doctor(host, code=0)) == []
    host.run(["sh", "-c", "dd if=/dev/zero of=/opt/fill bs=1M 2>/dev/null || :"], user="root")
    found = doctor(host, code=3)
    assert bad(found) == ["disk"]
    assert "sudo du -xh -d 3 /opt" in found["disk"]["do"]


def test_a_service_that_somebody_changed(plain: Released, host: Host, store: StoreServer) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    assert "no signed metadata" in doctor(host, code=0)["trust"]["what"]

    host.run(["chmod", "644", "/opt/tiny/.env"], user="root")
    assert bad(doctor(host, code=3)) == ["permissions"]
    host.run(["chmod", "600", "/opt/tiny/.env"], user="root")

    drop_in = "/etc/systemd/system/tiny.service.d/override.conf"
    host.run(["sh", "-c", f"printf '[Service]\\nNice=5\\n' >{drop_in}"], user="root")
    assert "has not read it" in doctor(host, code=0)["unit"]["what"]
    host.run(["systemctl", "daemon-reload"], user="root")
    found = doctor(host, code=0)
    assert bad(found, "warn") == ["unit"]
    assert drop_in in found["unit"]["what"]
    host.run(["rm", drop_in], user="root")
    host.run(["systemctl", "daemon-reload"], user="root")

    host.run(["systemctl", "disable", "--quiet", "tiny"], user="root")
    assert "will not start when the host starts" in doctor(host, code=3)["unit"]["why"]
    host.run(["systemctl", "enable", "--quiet", "tiny"], user="root")

    host.run(["systemctl", "kill", "--signal=KILL", "tiny"], user="root")
    again = f"for n in $(seq 50); do sleep 0.2; {AGENTCTL} status && exit 0; done; exit 1"
    host.run(["sh", "-c", again], user="root")
    assert "again once" in doctor(host, code=0)["unit"]["what"]

    host.run(["systemctl", "stop", "tiny"], user="root")
    found = doctor(host, code=3)
    assert bad(found) == ["service", "unit"]
    assert "sudo systemctl start tiny.service" in found["unit"]["do"]


def test_a_run_that_was_cut_off_and_a_visitor(
    plain: Released, host: Host, store: StoreServer
) -> None:
    put_script(plain, store, host)
    assert install(host).returncode == 0
    cut = 's/"outcome": "running"/"outcome": "installing"/'
    host.run(["sed", "-i", cut, "/opt/tiny/state.json"], user="root")
    found = doctor(host, code=3)
    assert bad(found) == ["last run"]
    assert "run the install script again" in found["last run"]["do"]
    seen = host.run([AGENTCTL, "doctor"], user="visitor", check=False)
    assert seen.returncode == 3, seen.stdout + seen.stderr
    assert "Traceback" not in seen.stderr
