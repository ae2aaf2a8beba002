"""The commands that sign metadata, from the first keys to what a host reads."""

from pathlib import Path

import pytest

from tests.support.project import Project, make_project


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.fixture
def project(bare: Project) -> Project:
    """A project with keys for `beacon`, which has published its first metadata."""
    bare.run("keys", "init", "--agent", "beacon")
    return bare


def test_the_first_ceremony_makes_keys_and_a_repository_that_a_host_reads(bare: Project) -> None:
    done = bare.run("keys", "init", "--agent", "beacon")
    assert sorted(path.name for path in bare.keys.glob("*.pem")) == [
        "agentctl-1.pem",
        "beacon-1.pem",
        "root-1.pem",
        "root-2.pem",
        "snapshot-1.pem",
        "targets-1.pem",
        "timestamp-1.pem",
    ]
    for path in bare.keys.glob("*.pem"):
        assert path.stat().st_mode & 0o777 == 0o600
        encrypted = "ENCRYPTED" in path.read_text()
        assert encrypted == path.name.startswith(("root-", "targets-"))
    assert "Move root-*.pem and targets-*.pem offline" in done.stdout
    assert (bare.folder / "toolkit.toml").read_text().endswith('[trust]\nkeys = "keys"\n')
    assert "*.pem" in (bare.keys / ".gitignore").read_text()
    with bare.host() as host:
        host.refresh()


def test_a_second_ceremony_is_refused(project: Project) -> None:
    before = {path.name: path.read_bytes() for path in project.keys.iterdir()}
    done = project.run("keys", "init", "--agent", "beacon", code=13)
    assert "has its keys already" in done.stderr
    assert {path.name: path.read_bytes() for path in project.keys.iterdir()} == before


def test_another_projects_keys_do_not_replace_a_stores_root(
    project: Project, tmp_path: Path
) -> None:
    other = make_project(tmp_path / "other")
    (other.folder / "toolkit.toml").write_text(
        f'[stores.local]\ntype = "directory"\npath = "{project.served}"\n'
    )
    done = other.run("keys", "init", code=13)
    assert "has its keys already" in done.stderr


def test_a_store_that_lost_its_timestamp_is_not_started_over(project: Project) -> None:
    project.release("1.0.0")
    (project.served / "metadata/timestamp.json").unlink()
    done = project.run("keys", "init", "--agent", "beacon", code=13)
    assert "toolkit refresh --rebuild" in done.stderr
    project.run("refresh", "--rebuild")
    assert [row["version"] for row in project.json("releases")["releases"]] == ["1.0.0"]


def test_the_first_ceremony_goes_on_after_an_interruption(bare: Project) -> None:
    bare.run("keys", "init", "--agent", "beacon")
    made = {path.name: path.read_bytes() for path in bare.keys.iterdir()}
    for path in (bare.served / "metadata").iterdir():
        if path.name.startswith(("timestamp", "1.snapshot", "1.beacon")):
            path.unlink()
    bare.run("keys", "init", "--agent", "beacon")
    assert {path.name: path.read_bytes() for path in bare.keys.iterdir()} == made
    bare.release("1.0.0")
    with bare.host() as host:
        assert host.fetch("beacon-v1.0.0.tar.gz")


def test_a_first_ceremony_that_ended_before_toolkit_toml_was_written_goes_on(bare: Project) -> None:
    before = (bare.folder / "toolkit.toml").read_text()
    bare.run("keys", "init", "--agent", "beacon")
    (bare.folder / "toolkit.toml").write_text(before)
    made = {path.name: path.read_bytes() for path in bare.keys.iterdir()}
    bare.run("keys", "init", "--agent", "beacon")
    assert {path.name: path.read_bytes() for path in bare.keys.iterdir()} == made
    assert "[trust]" in (bare.folder / "toolkit.toml").read_text()
    bare.run("keys", "init", "--agent", "beacon", code=13)


def test_a_timer_without_its_key_fails_aloud(project: Project) -> None:
    toml = project.folder / "toolkit.toml"
    toml.write_text(toml.read_text() + "days = {timestamp = 30}\n")
    (project.keys / "timestamp-1.pem").unlink()
    done = project.run("refresh", passphrase=None, code=14)
    assert "timestamp lacks signatures" in done.stderr


def test_offline_keys_are_never_made_without_a_passphrase(bare: Project) -> None:
    done = bare.run("keys", "init", passphrase=None, code=14)
    assert "--passphrase-fd" in done.stderr
    done = bare.run("keys", "init", passphrase="", code=14)
    assert "is empty" in done.stderr


def test_a_threshold_that_no_one_can_meet_is_refused(bare: Project) -> None:
    done = bare.run("keys", "init", "--root-keys", "1", "--threshold", "2", code=14)
    assert "1 root keys cannot meet a threshold of 2" in done.stderr


def test_show_says_who_signs_and_where_the_keys_are(project: Project) -> None:
    shown = project.json("keys", "show")["roles"]
    assert [one["role"] for one in shown] == [
        "root",
        "targets",
        "agentctl",
        "beacon",
        "snapshot",
        "timestamp",
    ]
    assert [len(one["keys"]) for one in shown] == [2, 1, 1, 1, 1, 1]
    assert shown[3]["keys"][0]["places"] == ["file:keys/beacon-1.pem"]
    (project.keys / "beacon-1.pem").rename(project.keys / "elsewhere")
    assert "not on this machine" in project.run("keys", "show", passphrase=None).stdout


def test_an_upload_is_vouched_for_before_latest_moves(project: Project) -> None:
    project.release("1.0.0")
    with project.host() as host:
        target = host.find("beacon-v1.0.0.tar.gz")
        assert target is not None
        assert (target.kind, target.version, target.compression) == ("release", "1.0.0", "gzip")
        assert target.tar is not None
        assert target.tar.size > 0
        fetched = host.fetch("beacon-v1.0.0.tar.gz")
        assert fetched == (project.served / "beacon-v1.0.0.tar.gz").read_bytes()
        agentctl = next(project.served.glob("agentctl-*.pyz")).name
        assert host.fetch(agentctl) == (project.served / agentctl).read_bytes()
        assert host.find("beacon-latest.tar.gz") is None


def test_an_upload_without_the_key_sends_nothing(project: Project) -> None:
    (project.keys / "timestamp-1.pem").rename(project.folder / "lost")
    with pytest.raises(AssertionError, match="timestamp lacks signatures"):
        project.release("1.0.0")
    assert not list(project.served.glob("beacon-*"))


def test_an_upload_without_keys_works_as_before(bare: Project) -> None:
    bare.release("1.0.0")
    assert not (bare.served / "metadata").exists()


def test_a_release_goes_from_a_tenth_of_the_hosts_to_all_and_back(project: Project) -> None:
    for version in ("1.0.0", "1.1.0"):
        project.release(version)
    names = {path.name: path.stat().st_mtime_ns for path in project.served.glob("*.gz")}
    project.run("promote", "beacon", "1.0.0", "--channel", "stable", passphrase=None)
    done = project.run(
        "promote", "beacon", "1.1.0", "--channel", "stable", "--percent", "10", passphrase=None
    )
    assert "stable of beacon is 1.0.0, and 1.1.0 for 10 % of the hosts" in done.stdout
    with project.host() as host:
        target = host.find("beacon-v1.1.0.tar.gz")
        assert target is not None
        assert target.channels["stable"].percent == 10
        assert target.channels["stable"].start is not None
    project.run("rollback", "beacon", "--channel", "stable", passphrase=None)
    rows = project.json("releases", "beacon")["releases"]
    assert {row["version"]: row["channels"] for row in rows} == {
        "1.0.0": {"stable": 100},
        "1.1.0": {},
    }
    project.run("promote", "beacon", "1.1.0", "--channel", "stable", passphrase=None)
    done = project.run("rollback", "beacon", "--channel", "stable", passphrase=None)
    assert "stable of beacon is 1.0.0" in done.stdout
    moves = project.json("history", "beacon")["moves"]
    assert [(one["action"], one["version"], one["percent"]) for one in moves] == [
        ("promote", "1.0.0", 100),
        ("promote", "1.1.0", 10),
        ("rollback", "1.0.0", 100),
        ("promote", "1.1.0", 100),
        ("rollback", "1.0.0", 100),
    ]
    # No byte of a tarball was touched.
    assert names == {path.name: path.stat().st_mtime_ns for path in project.served.glob("*.gz")}


def test_a_yanked_version_leaves_its_channels(project: Project) -> None:
    for version in ("1.0.0", "1.1.0"):
        project.release(version)
        project.run("promote", "beacon", version, "--channel", "stable", passphrase=None)
    done = project.run("yank", "beacon", "1.1.0", "--reason", "eats [all] data", passphrase=None)
    assert "stable of beacon is 1.0.0" in done.stdout
    assert "eats [all] data" in project.run("releases", passphrase=None).stdout
    refused = project.run(
        "promote", "beacon", "1.1.0", "--channel", "stable", code=15, passphrase=None
    )
    assert "eats [all] data" in refused.stderr
    done = project.run("yank", "beacon", "1.1.0", "--undo", passphrase=None)
    assert "beacon 1.1.0 is not yanked" in done.stdout
    assert "stable of beacon is 1.0.0" in done.stdout
    project.run("promote", "beacon", "1.1.0", "--channel", "stable", passphrase=None)
    assert "unyank" in project.run("history", "beacon", passphrase=None).stdout
    neither = project.run("yank", "beacon", "1.1.0", code=2, passphrase=None)
    assert "--undo" in neither.stderr


def test_prune_deletes_what_no_channel_needs(project: Project) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0"):
        project.release(version)
    for version in ("1.0.0", "1.1.0"):
        project.run("promote", "beacon", version, "--channel", "stable", passphrase=None)
    planned = project.json("prune", "beacon", "--keep", "1", "--plan")
    assert planned["versions"] == ["1.2.0"]
    assert (project.served / "beacon-v1.2.0.tar.gz").exists()
    done = project.json("prune", "beacon", "--keep", "1")
    assert done["files"] == ["beacon-v1.2.0.tar.gz", "beacon-v1.2.0.tar.gz.sha256"]
    left = sorted(path.name for path in project.served.glob("beacon-v*.gz"))
    assert left == [f"beacon-v{version}.tar.gz" for version in ("1.0.0", "1.1.0", "1.3.0")]
    with project.host() as host:
        assert host.find("beacon-v1.2.0.tar.gz") is None
        assert host.find("beacon-v1.0.0.tar.gz") is not None
    again = project.run("prune", "beacon", "--keep", "1", passphrase=None)
    assert "nothing to prune" in again.stdout


def test_refresh_signs_what_it_can_and_says_what_waits(project: Project) -> None:
    assert project.json("refresh")["signed"] == []
    short = '[trust]\nkeys = "keys"\ndays = {targets = 3650, timestamp = 30}\n'
    toml = project.folder / "toolkit.toml"
    toml.write_text(toml.read_text().replace('[trust]\nkeys = "keys"\n', short))
    answer = project.json("refresh")
    assert answer == {"signed": ["timestamp"], "waiting": ["targets"]}
    warned = project.run("releases", passphrase=None).stderr
    assert "targets expires" in warned
    assert project.json("refresh", "targets", passphrase="correct horse")["waiting"] == []
    with project.host() as host:
        host.refresh()


def test_a_wrong_passphrase_changes_nothing(project: Project) -> None:
    before = sorted(path.name for path in project.keys.iterdir())
    done = project.run("keys", "rotate", "timestamp", passphrase="hunter22", code=14)
    assert "does not open" in done.stderr
    assert "hunter22" not in done.output
    assert sorted(path.name for path in project.keys.iterdir()) == before


def test_a_key_that_others_may_read_is_refused(project: Project) -> None:
    (project.keys / "timestamp-1.pem").chmod(0o640)
    done = project.run("refresh", "timestamp", code=14)
    assert "others may read" in done.stderr
    assert "chmod 600" in done.stderr


def test_a_lost_root_key_is_replaced_by_the_other(project: Project) -> None:
    first = (project.keys / "root.json").read_bytes()
    roles = project.json("keys", "show")["roles"]
    lost = next(
        key["keyid"] for key in roles[0]["keys"] if key["places"] == ["file:keys/root-1.pem"]
    )
    (project.keys / "root-1.pem").unlink()
    (project.keys / "root-1.pub").unlink()
    project.run("keys", "add", "root", "--new")
    project.run("keys", "revoke", "root", lost[:10])
    project.release("1.0.0")
    with project.host(first) as host:
        assert host.fetch("beacon-v1.0.0.tar.gz")
    shown = project.json("keys", "show")["roles"][0]
    assert shown["version"] == 3
    assert lost not in [key["keyid"] for key in shown["keys"]]


def test_a_lost_targets_key_is_replaced_by_root(project: Project) -> None:
    first = (project.keys / "root.json").read_bytes()
    project.release("1.0.0")
    (project.keys / "targets-1.pem").unlink()
    project.run("keys", "rotate", "targets")
    project.release("1.1.0")
    with project.host(first) as host:
        assert host.fetch("beacon-v1.1.0.tar.gz")


def test_after_stolen_online_keys_what_the_thief_signs_is_refused(
    project: Project, tmp_path: Path
) -> None:
    """The guide's steps: rotate what was stolen, build anew, look at the releases."""
    project.release("1.0.0")
    first = (project.keys / "root.json").read_bytes()
    stolen = {
        name: (project.keys / name).read_bytes() for name in ("snapshot-1.pem", "timestamp-1.pem")
    }
    with project.host(first) as host:
        host.refresh()
        before = (project.served / "metadata/timestamp.json").read_bytes()
        project.run("keys", "rotate", "snapshot", "timestamp")
        project.run("refresh", "--rebuild", passphrase=None)
        assert [row["version"] for row in project.json("releases")["releases"]] == ["1.0.0"]
        host.refresh()
        good = (project.served / "metadata/timestamp.json").read_bytes()
        (project.served / "metadata/timestamp.json").write_bytes(before)
        with pytest.raises(Exception, match="was signed by 0/1 keys"):
            host.refresh()
        (project.served / "metadata/timestamp.json").write_bytes(good)
        host.refresh()
    assert all((project.keys / name).read_bytes() == data for name, data in stolen.items())
    project.release("1.1.0")


def test_a_stolen_agents_key_is_replaced_by_targets(project: Project) -> None:
    first = (project.keys / "root.json").read_bytes()
    project.release("1.0.0")
    project.run("keys", "rotate", "beacon")
    project.release("1.1.0")
    with project.host(first) as host:
        assert host.fetch("beacon-v1.0.0.tar.gz")
        assert host.fetch("beacon-v1.1.0.tar.gz")


def test_a_key_may_come_from_a_variable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = (project.keys / "timestamp-1.pem").read_text()
    (project.keys / "timestamp-1.pem").rename(project.folder / "moved")
    toml = project.folder / "toolkit.toml"
    toml.write_text(toml.read_text() + 'timestamp = ["env:TIMESTAMP_KEY"]\n')
    done = project.run("refresh", "timestamp", code=14)
    assert "no private key is at hand" in done.stderr
    monkeypatch.setenv("TIMESTAMP_KEY", pem)
    assert project.json("refresh", "timestamp")["signed"] == ["timestamp"]


def test_an_agent_gets_its_role_later(project: Project) -> None:
    assert (
        "no role signs for siren" in project.run("history", "siren", passphrase=None, code=4).stderr
    )
    project.run("keys", "add", "siren", "--new")
    assert project.json("history", "siren")["moves"] == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["keys", "add", "beacon"], 2, "name a key by its URI"),
        (["keys", "revoke", "beacon", "ffff"], 4, "has no key 'ffff'"),
        (["keys", "revoke", "siren", "ffff"], 4, "there is no role called 'siren'"),
        (["keys", "rotate", "siren"], 4, "there is no role called 'siren'"),
        (["refresh", "siren"], 4, "there is no role called 'siren'"),
        (["refresh", "root", "--rebuild"], 2, "--rebuild"),
        (["promote", "beacon", "9", "--channel", "stable"], 4, "toolkit upload beacon"),
        (["promote", "beacon", "9", "--channel", "Not One"], 2, "lower-case letters"),
        (["rollback", "beacon", "--channel", "stable"], 4, "has no channel 'stable'"),
        (["yank", "beacon", "9", "--reason", "x"], 4, "there is no beacon 9"),
        (["prune", "siren", "--keep", "1"], 4, "no role signs for siren"),
        (["keys", "add", "timestamp", "file:/nonexistent/x.pem"], 14, "cannot be read"),
        (["keys", "add", "timestamp", "gpg:x"], 14, "no signer is called gpg:"),
    ],
)
def test_what_cannot_be_is_said(project: Project, words: list[str], code: int, said: str) -> None:
    done = project.run(*words, code=code)
    assert said in " ".join(done.output.split())


def test_a_store_without_metadata_says_what_to_do(bare: Project) -> None:
    done = bare.run("releases", passphrase=None, code=13)
    assert "toolkit keys init" in done.stderr
