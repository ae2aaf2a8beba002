import dataclasses
import json
from typing import Any

import pytest

from toolkit.contract import Check, Given, evaluate, expectations, question
from toolkit.facts import (
    HealthFact,
    HostFacts,
    PathFact,
    ProcessFact,
    ServiceFact,
    TextFact,
    TreeFact,
    UnitFact,
    VariablesFact,
    parse_facts,
)
from toolkit.host.release import Health, Release, Runtime, Service

NOW = 1_000_000.0
NOTHING = Given()
UNIT = '[Service]\nUser=beacon\nEnvironment="TOKEN=released"\n'
RELEASE = Release(
    name="beacon",
    title="A beacon",
    version="1.0.0",
    platform=None,
    runtime=Runtime("node", "24.0.0", bundled=True, pm2="7.0.4"),
    service=Service(
        name="beacon",
        exec=("{node}", "{current}/beacon.js"),
        user="beacon",
        working_directory="{home}",
        environment={},
        required=("TOKEN",),
        secret=("TOKEN",),
        restart_delay=5,
        memory_limit=None,
        managers=("systemd", "pm2", "direct"),
    ),
    health=Health("http", ("http://127.0.0.1:8099/",), 60, 1.0),
)
STATE = {
    "name": "beacon",
    "version": "1.0.0",
    "manager": "systemd",
    "outcome": "running",
    "reason": "its health gate held",
}
PATHS = {
    ".": PathFact("folder", "root", 0o755),
    "current": PathFact("link", "root", 0o777, "releases/1.0.0", NOW - 200),
    ".env": PathFact("file", "beacon", 0o600),
    "logs": PathFact("folder", "beacon", 0o755),
    "workspace": PathFact("folder", "beacon", 0o755),
    "releases/1.0.0": PathFact("folder", "root", 0o555),
    "releases/1.0.0/.complete": PathFact("file", "root", 0o444),
}
UNIT_FACT = UnitFact("/etc/systemd/system/beacon.service", "enabled", False, UNIT, UNIT)
GOOD = HostFacts(
    login="root",
    now=NOW,
    version="1.0.0",
    manager="systemd",
    user="beacon",
    paths=PATHS,
    state=TextFact(json.dumps(STATE)),
    tree=TreeFact(12),
    variables=VariablesFact(("TOKEN",)),
    service=ServiceFact("active", 77, 0, unit=UNIT_FACT),
    process=ProcessFact("beacon", ("current", "releases/1.0.0"), NOW - 100),
    health=HealthFact(True, "HTTP 200 in 2 ms"),
)


def checks(facts: HostFacts, release: Release = RELEASE, given: Given = NOTHING) -> list[Check]:
    return list(evaluate(expectations(release, given, facts), facts))


def failing(facts: HostFacts, release: Release = RELEASE, given: Given = NOTHING) -> dict[str, str]:
    return {check.name: check.found for check in checks(facts, release, given) if not check.holds}


def change(**changes: Any) -> HostFacts:
    return dataclasses.replace(GOOD, **changes)


def path(name: str, fact: PathFact) -> HostFacts:
    return change(paths={**PATHS, name: fact})


def state(**changes: object) -> HostFacts:
    return change(state=TextFact(json.dumps(STATE | changes)))


def unit(**changes: Any) -> HostFacts:
    return change(
        service=ServiceFact("active", 77, 0, unit=dataclasses.replace(UNIT_FACT, **changes))
    )


def process(user: str, paths: tuple[str, ...], age: float = 100, problem: str = "") -> HostFacts:
    return change(process=ProcessFact(user, paths, NOW - age, problem))


def release(**changes: Any) -> Release:
    return dataclasses.replace(RELEASE, service=dataclasses.replace(RELEASE.service, **changes))


def test_every_clause_holds_where_all_is_as_promised() -> None:
    assert [(check.name, check.found) for check in checks(GOOD) if not check.holds] == []
    assert [check.name for check in checks(GOOD)] == [
        "home folder",
        "release",
        "release's files",
        "current",
        ".env",
        "required variables",
        "logs/",
        "workspace/",
        "state.json",
        "unit file",
        "start at boot",
        "process manager",
        "process's user",
        "process's version",
        "restarts",
        "health",
    ]


DENIED = PathFact("unknown", problem="permission denied")
BROKEN = {
    "home of another user": (
        path(".", PathFact("folder", "eve", 0o755)),
        {"home folder": "a folder of eve, mode 0755"},
    ),
    "home that all may write": (
        path(".", PathFact("folder", "root", 0o757)),
        {"home folder": "a folder of root, mode 0757"},
    ),
    "home that is a file": (
        path(".", PathFact("file", "root", 0o644)),
        {"home folder": "a file of root, mode 0644"},
    ),
    "no release": (
        change(paths={k: v for k, v in PATHS.items() if not k.startswith("releases")}, tree=None),
        {"release": "absent", "release's files": "unknown: there are none"},
    ),
    "release without its mark": (
        path("releases/1.0.0/.complete", PathFact("absent")),
        {"release": "a folder without .complete"},
    ),
    "release that may not be seen": (
        path("releases/1.0.0/.complete", DENIED),
        {"release": "unknown: permission denied"},
    ),
    "release of another user": (
        path("releases/1.0.0", PathFact("folder", "beacon", 0o555)),
        {"release's files": "12 files of beacon"},
    ),
    "release with files that others may write": (
        change(tree=TreeFact(12, ("a", "b"))),
        {"release's files": "12 files of root; others may write a, b"},
    ),
    "release whose files may not be seen": (
        change(tree=TreeFact(2, problem="permission denied")),
        {"release's files": "unknown: permission denied"},
    ),
    "current that points at another version": (
        path("current", PathFact("link", "root", 0o777, "releases/0.9.0")),
        {"current": "-> releases/0.9.0"},
    ),
    "current that leads out of the home": (
        path("current", PathFact("link", "root", 0o777, "/srv/releases/1.0.0")),
        {"current": "-> /srv/releases/1.0.0"},
    ),
    "current that is a folder": (
        path("current", PathFact("folder", "root", 0o755)),
        {"current": "a folder of root, mode 0755"},
    ),
    ".env that others may read": (
        path(".env", PathFact("file", "beacon", 0o640)),
        {".env": "a file of beacon, mode 0640"},
    ),
    ".env of another user": (
        path(".env", PathFact("file", "root", 0o600)),
        {".env": "a file of root, mode 0600"},
    ),
    ".env that is a link": (
        path(".env", PathFact("link", "beacon", 0o600, "/tmp/x")),
        {".env": "a link of beacon, mode 0600"},
    ),
    "no .env, though a variable is required": (
        change(paths={**PATHS, ".env": PathFact("absent")}, variables=VariablesFact(())),
        {".env": "absent", "required variables": "not set: TOKEN"},
    ),
    ".env that may not be read": (
        change(variables=VariablesFact((), "permission denied")),
        {"required variables": "unknown: permission denied"},
    ),
    "logs of another user": (
        path("logs", PathFact("folder", "root", 0o755)),
        {"logs/": "a folder of root, mode 0755"},
    ),
    "no workspace": (path("workspace", PathFact("absent")), {"workspace/": "absent"}),
    "workspace that may not be seen": (
        path("workspace", DENIED),
        {"workspace/": "unknown: permission denied"},
    ),
    "no state": (change(state=TextFact(None)), {"state.json": "absent"}),
    "state that may not be read": (
        change(state=TextFact(None, "permission denied")),
        {"state.json": "unknown: permission denied"},
    ),
    "state of a failed installation": (
        state(outcome="failed", reason="health never came"),
        {"state.json": "beacon 1.0.0 under systemd, failed: health never came"},
    ),
    "state of another agent": (
        state(name="other"),
        {"state.json": "other 1.0.0 under systemd, running: its health gate held"},
    ),
    "no unit": (
        unit(file="", installed=None, enabled=""),
        {"unit file": "absent", "start at boot": "no unit"},
    ),
    "unit from elsewhere": (
        unit(file="/lib/systemd/system/beacon.service", installed=None),
        {"unit file": "absent, loaded from /lib/systemd/system/beacon.service"},
    ),
    "unit that the release does not have": (
        unit(released=None),
        {"unit file": "the release has no such unit"},
    ),
    "unit that was changed": (
        unit(installed=UNIT.replace("released", "a secret")),
        {"unit file": "line 3 (Environment) differs"},
    ),
    "unit with a line more": (
        unit(installed=UNIT + "Nice=5\n"),
        {"unit file": "line 4 (Nice) differs"},
    ),
    "unit that was cut off": (
        unit(installed="[Service]\n"),
        {"unit file": "ends after line 1 of 3"},
    ),
    "unit that systemd has not read again": (
        unit(stale=True),
        {"unit file": "changed since systemd read it: daemon-reload is due"},
    ),
    "unit that is not enabled": (unit(enabled="disabled"), {"start at boot": "disabled"}),
    "systemd that does not answer": (
        change(service=ServiceFact("unknown", problem="no bus"), process=None),
        {
            "process manager": "systemd: unknown: no bus",
            "process's user": "no process",
            "process's version": "no process",
            "restarts": "no process",
        },
    ),
    "service that failed": (
        change(service=ServiceFact("failed", 0, 4, unit=UNIT_FACT), process=None),
        {
            "process manager": "systemd: failed",
            "process's user": "no process",
            "process's version": "no process",
            "restarts": "4, no process",
        },
    ),
    "process of root": (process("root", ("releases/1.0.0",)), {"process's user": "root"}),
    "process of an older version": (
        process("beacon", ("current", "releases/0.9.0")),
        {"process's version": "releases/0.9.0"},
    ),
    "process of two versions": (
        process("beacon", ("releases/0.9.0", "releases/1.0.0")),
        {"process's version": "releases/0.9.0, releases/1.0.0"},
    ),
    "process that began before the switch": (
        process("beacon", ("current",), age=260),
        {"process's version": "current, but began 60 s before it pointed there"},
    ),
    "process from elsewhere": (
        process("beacon", ("workspace",)),
        {"process's version": "nothing in /opt/beacon/releases"},
    ),
    "process that may not be seen": (
        process("beacon", (), problem="permission denied"),
        {"process's version": "unknown: permission denied (only root and beacon may see)"},
    ),
    "process that ended meanwhile": (
        process("", (), problem="no such process"),
        {"process's user": "no such process", "process's version": "no such process"},
    ),
    "service that was restarted just now": (
        change(
            service=ServiceFact("active", 77, 3, unit=UNIT_FACT),
            process=ProcessFact("beacon", ("releases/1.0.0",), NOW - 12),
        ),
        {"restarts": "3, up for 12 s"},
    ),
    "service whose restarts nobody counted": (
        change(service=ServiceFact("active", 77, None, unit=UNIT_FACT)),
        {"restarts": "unknown: there is no count"},
    ),
    "service that does not answer": (
        change(health=HealthFact(False, "HTTP 503")),
        {"health": "HTTP 503"},
    ),
    "service that nobody asked": (change(health=None), {"health": "unknown: nobody asked"}),
}


@pytest.mark.parametrize(("facts", "found"), BROKEN.values(), ids=BROKEN.keys())
def test_each_fault_fails_its_own_clause(facts: HostFacts, found: dict[str, str]) -> None:
    assert failing(facts) == found


HOLDS = {
    "home of the service's user": path(".", PathFact("folder", "beacon", 0o750)),
    "absolute link": path(
        "current", PathFact("link", "root", 0o777, "/opt/beacon/releases/1.0.0", NOW - 200)
    ),
    "process called through current, with all the rest hidden": process(
        "beacon", ("current",), problem="permission denied"
    ),
    "restarts of long ago": change(
        service=ServiceFact("active", 77, 9, unit=UNIT_FACT),
        process=ProcessFact("beacon", ("releases/1.0.0",), NOW - 30),
    ),
}


@pytest.mark.parametrize("facts", HOLDS.values(), ids=HOLDS.keys())
def test_what_the_contract_leaves_free(facts: HostFacts) -> None:
    assert failing(facts) == {}


def test_without_required_variables_env_may_be_absent() -> None:
    facts = change(paths={**PATHS, ".env": PathFact("absent")}, variables=None)
    assert failing(facts, release(required=())) == {}


def test_a_variable_that_the_release_sets_need_not_be_set_again() -> None:
    sets = release(environment={"TOKEN": "public"})
    assert failing(change(variables=VariablesFact(())), sets) == {}
    assert question(sets, Given()).variables == ()
    assert question(release(environment={"TOKEN": ""}), Given()).variables == ("TOKEN",)


def test_without_a_health_gate_there_is_no_such_check() -> None:
    without = dataclasses.replace(RELEASE, health=None)
    assert "health" not in [check.name for check in checks(change(health=None), without)]


@pytest.mark.parametrize(
    ("gate", "clause"),
    [
        (Health("tcp", ("127.0.0.1:80",), 9, 1), "127.0.0.1:80 takes connections"),
        (Health("command", ("a", "b c"), 9, 1), "`a 'b c'` exits with 0"),
    ],
)
def test_each_kind_of_health_gate_has_its_clause(gate: Health, clause: str) -> None:
    assert checks(GOOD, dataclasses.replace(RELEASE, health=gate))[-1].expected == clause


def test_pm2_must_have_the_app_online_and_start_at_boot() -> None:
    facts = dataclasses.replace(
        state(manager="pm2"), manager="pm2", service=ServiceFact("online", 77, 0, boot="enabled")
    )
    assert failing(facts) == {}
    stopped = ServiceFact("absent", problem="no PM2 of user beacon runs")
    assert failing(dataclasses.replace(facts, service=stopped, process=None)) == {
        "start at boot": "no unit",
        "process manager": "pm2: absent: no PM2 of user beacon runs",
        "process's user": "no process",
        "process's version": "no process",
        "restarts": "no process",
    }


def test_in_a_private_folder_all_belongs_to_the_one_who_installed() -> None:
    given = Given(home="/home/me/beacon")
    mine = {name: dataclasses.replace(fact, owner="me") for name, fact in PATHS.items()}
    facts = dataclasses.replace(
        state(manager="direct"),
        manager="direct",
        user="me",
        paths=mine,
        service=ServiceFact("alive", 77, 0),
        process=ProcessFact("me", ("releases/1.0.0",), NOW - 100),
    )
    assert failing(facts, given=given) == {}
    by_root = {name: dataclasses.replace(fact, owner="root") for name, fact in PATHS.items()}
    installed_by_root = {**mine, "releases/1.0.0": by_root["releases/1.0.0"]}
    assert failing(dataclasses.replace(facts, paths=installed_by_root), given=given) == {}
    assert failing(facts)["release's files"] == "12 files of me"


def test_what_is_given_counts_more_than_what_the_host_says() -> None:
    given = Given(version="1.0.1", manager="direct")
    found = failing(GOOD, given=given)
    assert found["current"] == "-> releases/1.0.0"
    assert found["state.json"].startswith("beacon 1.0.0 under systemd")
    assert found["process manager"] == "direct: active"


def test_without_a_state_what_depends_on_it_is_unknown() -> None:
    facts = change(manager=None, user=None, state=TextFact(None), service=None, process=None)
    found = failing(facts, release(user=None))
    assert found["logs/"] == found[".env"] == "unknown: state.json names no user"
    assert found["process manager"] == "unknown: state.json names none"
    assert found["state.json"] == "absent"


@pytest.mark.parametrize("text", ["{", "[]", "{}", "7", '{"name": "beacon"}'])
def test_damaged_states_are_said_to_be_so(text: str) -> None:
    assert failing(change(state=TextFact(text)))["state.json"].startswith("damaged: ")


def test_where_nothing_is_installed_there_is_one_answer() -> None:
    assert checks(change(paths={".": PathFact("absent")})) == [
        Check("installed", False, "there is no /opt/beacon", "/opt/beacon")
    ]
    assert checks(change(paths={".": DENIED})) == [
        Check("home folder", False, "unknown: permission denied", "/opt/beacon")
    ]


def test_the_question_names_all_that_the_probe_needs() -> None:
    asked = question(
        dataclasses.replace(RELEASE, health=Health("command", ("{node}", "{home}/x"), 9, 1)),
        Given(home="/srv/b", version="2"),
    )
    assert asked.home == "/srv/b"
    assert asked.health == ("command", "/srv/b/current/runtime/node/bin/node", "/srv/b/x")
    assert asked.bundled_pm2[0] == "current/runtime/node/bin/node"
    assert (asked.version, asked.manager, asked.variables) == ("2", None, ("TOKEN",))
    assert json.loads(asked.to_json())["service"] == "beacon"


def test_facts_come_back_from_their_json() -> None:
    assert parse_facts(json.dumps(dataclasses.asdict(GOOD))) == GOOD
    with pytest.raises(ValueError, match="login"):
        parse_facts("{}")


def test_a_users_own_unit_stands_in_their_folder_and_they_linger() -> None:
    path = "/home/beacon/.config/systemd/user/beacon.service"
    theirs = dataclasses.replace(UNIT_FACT, file=path, path=path)
    service = ServiceFact("active", 77, 0, boot="enabled", unit=theirs)
    facts = dataclasses.replace(
        state(manager="systemd-user"), manager="systemd-user", service=service
    )
    assert failing(facts) == {}
    for changed, found in (
        (dataclasses.replace(service, boot="not enabled"), {"start at boot": "not enabled"}),
        (
            dataclasses.replace(service, unit=dataclasses.replace(theirs, installed=None, file="")),
            {"unit file": "absent"},
        ),
    ):
        assert failing(dataclasses.replace(facts, service=changed)) == found


def test_a_secret_that_is_a_credential_alone_need_not_stand_in_the_environment_file() -> None:
    hidden = release(required=("TOKEN",), secret=("TOKEN",), credentials="credentials")
    facts = change(variables=VariablesFact(()))
    assert failing(facts, hidden) == {}
    both = release(required=("TOKEN",), secret=("TOKEN",), credentials="both")
    assert failing(facts, both) == {"required variables": "not set: TOKEN"}


def test_that_a_service_is_ready_is_its_managers_word_where_it_tells_systemd() -> None:
    telling = dataclasses.replace(RELEASE, health=Health("notify", (), 9, 1, notify=True))
    assert question(telling, NOTHING).health == ()
    assert "health" not in [check.name for check in checks(change(health=None), telling)]
