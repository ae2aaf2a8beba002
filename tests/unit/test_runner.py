import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from toolkit import probe
from toolkit.errors import HostError, MissingToolError
from toolkit.facts import HostFacts, Question
from toolkit.runner import PROBE, Connection, look

LOCAL = Connection("local", sudo=False)
ME = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
SERVER = """\
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.serve_forever()
"""


def ask(
    home: Path, health: tuple[str, ...] = (), manager: str | None = None, version: str | None = None
) -> Question:
    return Question("beacon", str(home), version, manager, None, ("TOKEN", "EMPTY"), health, ())


def write(file: Path, text: str, mode: int = 0o644) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A private folder with a version in it, as agentctl lays it out."""
    home = tmp_path / "beacon"
    write(home / "releases/1.0.0/.complete", "hash", 0o444)
    write(home / "releases/1.0.0/serve.py", SERVER, 0o444)
    write(home / ".env", "# TOKEN2=x\nTOKEN='hush-hush'\nEMPTY=\"\"\n", 0o600)
    state = {"version": "1.0.0", "manager": "direct", "user": ME, "details": {}}
    write(home / "state.json", json.dumps(state))
    for name in ("logs", "workspace", "run"):
        (home / name).mkdir()
    (home / "current").symlink_to("releases/1.0.0")
    (home / "releases/1.0.0").chmod(0o555)
    return home


def process_id(pid: int) -> str:
    """What agentctl writes of a process: its id, and when it began in ticks since the boot."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return f"{pid} {fields[19]}\n"


@contextmanager
def running(home: Path) -> Iterator[int]:
    """The service and, in place of its supervisor, this process; gives the service's port."""
    argv = [sys.executable, str(home / "current/serve.py")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        write(home / "run/agent.pid", process_id(process.pid))
        write(home / "run/supervisor.pid", process_id(os.getpid()))
        write(home / "run/restarts", "2\n")
        yield int(process.stdout.readline())
        process.kill()


def stub(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program called `name` before all others."""
    write(folder / name, f"#!/bin/sh\n{text}\n", 0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_one_look_finds_all_of_a_service(home: Path) -> None:
    with running(home) as port:
        facts = look(LOCAL, ask(home, ("http", f"http://127.0.0.1:{port}/204")))
    assert (facts.version, facts.manager, facts.user, facts.login) == ("1.0.0", "direct", ME, ME)
    kinds = {name: (fact.kind, fact.mode) for name, fact in facts.paths.items()}
    assert kinds[".env"] == ("file", 0o600)
    assert kinds["releases/1.0.0"] == ("folder", 0o555)
    assert kinds["releases/1.0.0/.complete"] == ("file", 0o444)
    assert facts.paths["current"].target == "releases/1.0.0"
    assert facts.tree is not None
    assert (facts.tree.files, facts.tree.loose) == (2, ())
    assert facts.variables is not None
    assert facts.variables.names == ("TOKEN",)
    assert facts.service is not None
    assert (facts.service.status, facts.service.restarts) == ("alive", 2)
    assert facts.process is not None
    assert (facts.process.user, facts.process.problem) == (ME, "")
    assert "current" in facts.process.paths
    assert -1 < facts.now - facts.process.started < 60
    assert facts.process.started >= facts.paths["current"].changed - 1
    assert facts.health is not None
    assert facts.health.holds
    assert "hush-hush" not in repr(facts)


def health(home: Path, *gate: str) -> tuple[bool, str]:
    answer = look(LOCAL, ask(home, gate)).health
    assert answer is not None
    return answer.holds, answer.found


def test_health_says_what_was_answered(home: Path) -> None:
    with running(home) as port:
        assert health(home, "http", f"http://127.0.0.1:{port}/503") == (False, "HTTP 503")
        holds, found = health(home, "tcp", f"127.0.0.1:{port}")
        assert (holds, found.split(" in ")[0]) == (True, "connected")
    assert health(home, "http", f"http://127.0.0.1:{port}/200") == (False, "connection refused")
    assert health(home, "tcp", f"127.0.0.1:{port}") == (False, "connection refused")
    assert health(home, "command", "true") == (True, "exit code 0")
    assert health(home, "command", "sh", "-c", "echo lost >&2; exit 3") == (
        False,
        "exit code 3: lost",
    )
    assert health(home, "command", "no-such-program")[1].endswith("no such file or directory")


NO_HTTP = """\
import socket, sys
with socket.socket(fileno=int(sys.argv[1])) as server:
    client, _ = server.accept()
    client.recv(1024)
    client.sendall(b"SSH-2.0\\r\\n")
    client.close()
"""


def test_health_that_is_no_http_is_said_to_be_so(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        argv = [sys.executable, "-c", NO_HTTP, str(server.fileno())]
        with subprocess.Popen(argv, pass_fds=[server.fileno()]):
            assert health(home, "http", url) == (False, "SSH-2.0")


def test_a_proxy_is_not_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    with running(home) as port:
        assert health(home, "http", f"http://127.0.0.1:{port}/200")[0]


def test_a_service_that_ended_has_no_process(home: Path) -> None:
    with running(home):
        pass
    facts = look(LOCAL, ask(home))
    assert facts.service is not None
    assert (facts.service.status, facts.service.pid, facts.process) == ("dead", 0, None)


@pytest.mark.parametrize("text", ["", "1", "x y", "999999999 5", "{me} 5"])
def test_what_names_no_living_process_is_no_service(text: str, home: Path) -> None:
    write(home / "run/agent.pid", text.format(me=os.getpid()))
    service = look(LOCAL, ask(home)).service
    assert service is not None
    assert (service.status, service.pid) == ("dead", 0)


def test_a_service_without_its_supervisor_is_not_alive(home: Path) -> None:
    with running(home):
        (home / "run/supervisor.pid").unlink()
        service = look(LOCAL, ask(home)).service
    assert service is not None
    assert service.status == "without its supervisor"


def test_a_process_shows_the_version_that_it_came_from(home: Path) -> None:
    (home / "releases/0.9.0").mkdir()
    shutil.copy(shutil.which("sleep") or "", home / "releases/0.9.0/sleep")
    with subprocess.Popen([home / "releases/0.9.0/sleep", "60"], cwd=home / "workspace") as process:
        write(home / "run/agent.pid", process_id(process.pid))
        before = look(LOCAL, ask(home)).process
        shutil.rmtree(home / "releases/0.9.0")
        removed = look(LOCAL, ask(home)).process
        process.kill()
    for fact in (before, removed):
        assert fact is not None
        assert fact.paths == ("releases/0.9.0", "workspace")


def test_loose_files_are_named(home: Path) -> None:
    for number in range(5):
        write(home / f"releases/2/{number}", "", 0o664)
    tree = look(LOCAL, ask(home, version="2")).tree
    assert tree is not None
    assert (tree.files, len(tree.loose), tree.loose[-1]) == (5, 4, "...")


def test_without_a_state_current_names_the_version(home: Path) -> None:
    for text in ("", "{", "[]", '{"version": 7}'):
        write(home / "state.json", text)
        facts = look(LOCAL, ask(home))
        assert (facts.version, facts.manager, facts.service) == ("1.0.0", None, None)
        assert facts.state.text == text


def test_where_nothing_is_installed_the_look_ends_early(tmp_path: Path) -> None:
    facts = look(LOCAL, ask(tmp_path / "nothing", ("tcp", "127.0.0.1:1"), "systemd"))
    assert facts.paths["."].kind == "absent"
    assert (facts.service, facts.health, facts.tree) == (None, None, None)


def test_the_look_changes_nothing(home: Path) -> None:
    def stand() -> list[tuple[str, int, int]]:
        found = sorted(home.rglob("*"))
        return [(str(p), p.lstat().st_mtime_ns, p.lstat().st_mode) for p in found]

    with running(home) as port:
        before = stand()
        look(LOCAL, ask(home, ("http", f"http://127.0.0.1:{port}/200")))
        assert stand() == before


def test_quotes_in_a_path_stay_a_path(tmp_path: Path) -> None:
    home = tmp_path / 'it\'s $(touch here) "so"'
    home.mkdir()
    facts = look(LOCAL, ask(home))
    assert facts.paths["."].kind == "folder"
    assert not (tmp_path / "here").exists()


def pm2_fact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str) -> HostFacts:
    """Look at a PM2 whose daemon is a sleeping process and whose `jlist` is `printed`."""
    home = tmp_path / "beacon"
    write(home / "node", f"#!/bin/sh\necho \"$PM2_HOME\" >>'{tmp_path}/asked'\n{printed}\n", 0o755)
    write(home / "pm2", "")
    folder = tmp_path / "pm2-home"
    question = Question("beacon", str(home), None, "pm2", ME, (), (), ("node", "pm2"))
    daemon = ["bash", "-c", f"exec -a 'PM2 v7.0.4: God Daemon ({folder})' sleep 60"]
    with subprocess.Popen(daemon) as process:
        while b"God" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()[:20]:
            time.sleep(0.01)
        facts = look(LOCAL, question)
        process.kill()
    assert str(folder) in (tmp_path / "asked").read_text().splitlines()
    return facts


APPS = [
    {"name": "other", "pid": 5, "pm2_env": {"status": "online", "restart_time": 0}},
    {
        "name": "beacon",
        "pid": 1,
        "pm2_env": {"status": "online", "restart_time": 3, "TOKEN": "hush-hush"},
    },
]


def test_pm2_tells_of_the_app_and_nothing_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = "echo '[PM2] In-memory PM2 is out-of-date'\n"
    facts = pm2_fact(tmp_path, monkeypatch, f"{noise}echo '{json.dumps(APPS)}'")
    assert facts.service is not None
    assert (facts.service.status, facts.service.pid, facts.service.restarts) == ("online", 1, 3)
    assert "hush-hush" not in repr(facts)


@pytest.mark.parametrize(
    ("printed", "status", "problem"),
    [
        ("echo '[]'", "absent", ""),
        ("echo 'out of memory' >&2; exit 1", "unknown", "out of memory"),
        ("echo nonsense", "unknown", "`pm2 jlist` gave no list"),
        ("echo '[7]'", "unknown", "`pm2 jlist` gave no list"),
    ],
)
def test_pm2_without_the_app_or_without_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, status: str, problem: str
) -> None:
    service = pm2_fact(tmp_path, monkeypatch, printed).service
    assert service is not None
    assert (service.status, service.problem) == (status, problem)


def test_pm2_that_does_not_run_is_not_started(home: Path) -> None:
    service = look(LOCAL, Question("b", str(home), "1", "pm2", "no-such-user", (), (), ())).service
    assert service is not None
    assert (service.status, service.problem) == ("absent", "no PM2 of user no-such-user runs")


@pytest.mark.parametrize(
    "url",
    [
        "web1",
        "ftp://web1",
        "ssh://",
        "ssh://-oProxyCommand=sh",
        "ssh://me:password@web1",
        "ssh://web1/path",
        "ssh://web1?sudo=true",
        "ssh://web1:port",
        "podman://--help",
        "podman://demo:22",
        "local://else",
    ],
)
def test_what_names_no_host_is_refused(url: str, home: Path) -> None:
    with pytest.raises(HostError, match="names no host") as refused:
        look(Connection(url), ask(home))
    assert "podman://CONTAINER" in refused.value.hint


def test_a_program_that_is_not_here_is_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match="docker is not on this machine"):
        look(Connection("docker://demo"), ask(home))


def test_ssh_is_called_without_questions_and_with_what_was_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, "ssh", f'printf "%s\\n" "$@" >{tmp_path}/words; exit 255', monkeypatch)
    key, config = tmp_path / "a key", tmp_path / "config"
    connection = Connection("ssh://me@web1:2222", ssh_config=config, identity_file=key)
    with pytest.raises(HostError, match="could not be reached") as refused:
        look(connection, ask(home))
    assert "check the name, the network" in refused.value.hint
    words = (tmp_path / "words").read_text().splitlines()
    for word in ("BatchMode=yes", "User=me", "Port=2222", str(key), str(config), "web1"):
        assert word in words


class Fault(NamedTuple):
    """A program that reaches hosts, what it does in vain, and what is then said."""

    scheme: str
    script: str
    why: str
    hint: str


@pytest.mark.parametrize(
    "fault",
    [
        Fault(
            "ssh",
            "echo 'ssh: Could not resolve hostname web1' >&2; exit 255",
            "ssh: Could not resolve hostname web1",
            "check the name, the network and that its sshd runs",
        ),
        Fault(
            "ssh",
            "echo 'Host key verification failed.' >&2; exit 255",
            "Host key verification failed.",
            "connect once by hand and accept its key: ssh ssh://me@web1",
        ),
        Fault(
            "docker",
            "echo 'Error response from daemon: No such container: web1' >&2; exit 1",
            "Error response from daemon: No such container: web1",
            "see which there are: docker ps --all",
        ),
        Fault(
            "docker",
            "echo 'Error response from daemon: container 12 is not running' >&2; exit 1",
            "Error response from daemon: container 12 is not running",
            "start it: docker start web1",
        ),
        Fault(
            "docker",
            "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1",
            "Cannot connect to the Docker daemon at unix:///x.",
            "start the Docker daemon",
        ),
        Fault(
            "podman",
            "exit 7",
            "exit code 7",
            "run the same with --sudo, or look at the host by hand",
        ),
        Fault(
            "podman",
            "echo Welcome",
            "it printed 'Welcome\\n'",
            "a login script on the host may end or replace the shell: see what it does when "
            "there is no terminal",
        ),
        Fault(
            "podman",
            "echo 'toolkit-facts:{}'",
            "7 validation errors for HostFacts",
            "a login script on the host may end or replace the shell: see what it does when "
            "there is no terminal",
        ),
    ],
)
def test_each_way_to_fail_says_why_and_what_to_do(
    fault: Fault, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, fault.scheme, fault.script, monkeypatch)
    with pytest.raises(HostError) as refused:
        look(Connection(f"{fault.scheme}://me@web1"), ask(home))
    assert (refused.value.why.splitlines()[0], refused.value.hint) == (fault.why, fault.hint)


def test_noise_of_a_login_shell_does_no_harm(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a host does: greet, then run the words that come after the container's name.
    script = """printf 'Gr\\374\\337 Gott'; shift 4; exec "$@" """
    stub(tmp_path, "podman", script, monkeypatch)
    assert look(Connection("podman://me@web1", sudo=False), ask(home)).version == "1.0.0"


def as_visitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sudo: str) -> Path:
    """Let this machine's user be someone whose sudo does what `sudo` says."""
    stub(tmp_path / "bin", "id", "echo 1000", monkeypatch)
    stub(tmp_path / "bin", "sudo", sudo, monkeypatch)
    return tmp_path / "used"


def test_sudo_is_used_where_it_asks_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = as_visitor(tmp_path, monkeypatch, f'touch {tmp_path}/used; shift; exec "$@"')
    look(Connection("local", sudo=False), ask(home))
    assert not used.exists()
    look(Connection("local"), ask(home))
    assert used.exists()


def test_sudo_that_asks_is_left_alone_unless_it_is_demanded(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_visitor(tmp_path, monkeypatch, "exit 1")
    assert look(Connection("local"), ask(home)).login == ME
    with pytest.raises(HostError, match="sudo on local is missing or asks for a password"):
        look(Connection("local", sudo=True), ask(home))


def test_a_host_without_python_says_so(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(
        tmp_path,
        "podman",
        f'shift 2; PATH={tmp_path} exec /bin/"${{1##*/}}" "$2" "$3"',
        monkeypatch,
    )
    sh = shutil.which("sh")
    assert sh
    (tmp_path / "sh").symlink_to(sh)
    with pytest.raises(HostError, match="podman://web1 has no python3"):
        look(Connection("podman://web1"), ask(home))


def test_the_probe_is_whole() -> None:
    folder = Path(probe.__file__).parent
    assert {file.stem for file in folder.glob("*.py")} == {"__init__", "fleet", *PROBE}
    for file in folder.glob("*.py"):
        assert file.read_text("utf-8").isascii()
