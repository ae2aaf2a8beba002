"""The guide's steps for keys on several machines: each person has a project folder of their own."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.project import Project, make_project


@dataclass(frozen=True)
class People:
    """The publisher has the online keys; root-1 and targets-1 are Alice's, the second ones Bob's.

    Two root keys and two of targets must sign. All have the same store, and the same root.json.
    """

    publisher: Project
    alice: Project
    bob: Project

    def hand(self, file: Path, to: Project) -> Path:
        """Bring a file to somebody."""
        return Path(shutil.copy(file, to.folder / file.name))


@pytest.fixture
def people(tmp_path: Path) -> People:
    publisher = make_project(tmp_path / "publisher")
    publisher.run(
        *("keys", "init", "--agent", "beacon", "--root-keys", "2", "--threshold", "2"),
    )
    publisher.run("keys", "add", "targets", "--new", "--threshold", "2")
    publisher.release("1.0.0")
    found = People(publisher, *(join(publisher, tmp_path / name) for name in ("alice", "bob")))
    for number, person in enumerate((found.alice, found.bob), start=1):
        for role in ("root", "targets"):
            name = f"{role}-{number}.pem"
            (publisher.keys / name).rename(person.keys / name)
    return found


def join(publisher: Project, folder: Path) -> Project:
    """Give somebody a checkout of the project: no private key is in it."""
    person = make_project(folder)
    toml = (publisher.folder / "toolkit.toml").read_text()
    (folder / "toolkit.toml").write_text(toml.replace('"served"', f'"{publisher.served}"'))
    person.keys.mkdir()
    for file in [publisher.keys / "root.json", *publisher.keys.glob("*.pub")]:
        shutil.copy(file, person.keys)
    return person


@pytest.fixture
def change(people: People) -> Path:
    """A proposal of the publisher: new keys of timestamp."""
    file = people.publisher.folder / "change.json"
    done = people.publisher.run("keys", "rotate", "timestamp", "--propose", str(file))
    assert "root: 0 of 2 signatures by the present keys" in done.stdout
    return file


def sign(person: Project, file: Path, code: int = 0) -> str:
    return person.run("keys", "sign", str(file), "--yes", code=code).output


def publish(people: People, *files: Path, code: int = 0) -> str:
    words = [str(file) for file in files]
    return people.publisher.run("keys", "publish", *words, code=code, passphrase=None).output


def roots(people: People) -> list[str]:
    return sorted(path.name for path in (people.publisher.served / "metadata").glob("*.root.json"))


def metadata(people: People) -> dict[str, bytes]:
    folder = people.publisher.served / "metadata"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_root_goes_from_hand_to_hand(people: People, change: Path) -> None:
    first = (people.publisher.keys / "root.json").read_bytes()
    before = metadata(people)
    at_alice = people.hand(change, people.alice)
    shown = sign(people.alice, at_alice)
    assert "root: + key" in shown
    assert "of timestamp" in shown
    assert "root: 1 of 2 signatures" in shown
    at_bob = people.hand(at_alice, people.bob)
    assert "enough have signed" in sign(people.bob, at_bob)
    assert metadata(people) == before
    with people.publisher.host(first) as host:
        host.refresh()
        publish(people, people.hand(at_bob, people.publisher))
        host.refresh()
        people.publisher.release("1.1.0")
        assert host.fetch("beacon-v1.1.0.tar.gz")
    assert roots(people) == ["1.root.json", "2.root.json", "3.root.json"]


def test_copies_may_be_signed_apart(people: People, change: Path) -> None:
    at_alice, at_bob = (people.hand(change, each) for each in (people.alice, people.bob))
    sign(people.alice, at_alice)
    sign(people.bob, at_bob)
    assert "published: root 3" in publish(people, at_alice, at_bob)


def test_too_few_signatures_publish_nothing(people: People, change: Path) -> None:
    before = metadata(people)
    assert "lacks signatures for root" in publish(people, change, code=14)
    sign(people.alice, change)
    refused = publish(people, change, code=14)
    assert "2 of the present keys must sign, 1 did" in refused
    assert "toolkit keys sign change.json" in refused
    assert metadata(people) == before


def test_one_person_signs_once(people: People, change: Path) -> None:
    sign(people.alice, change)
    assert "no key that is here could sign it" in sign(people.alice, change, code=14)
    assert "no key that is here could sign it" in sign(people.publisher, change, code=14)


def test_a_file_that_was_changed_after_it_was_signed_is_refused(
    people: People, change: Path
) -> None:
    sign(people.alice, change)
    data = json.loads(change.read_text())
    data["proposed"]["root"]["signed"]["roles"]["root"]["threshold"] = 1
    change.write_text(json.dumps(data))
    before = metadata(people)
    assert "was changed after it was signed" in sign(people.bob, change, code=13)
    assert "was changed after it was signed" in publish(people, change, code=13)
    assert metadata(people) == before


def test_an_outdated_proposal_is_refused(people: People, change: Path) -> None:
    other = people.publisher.folder / "other.json"
    people.publisher.run("keys", "rotate", "snapshot", "--propose", str(other))
    for person in (people.alice, people.bob):
        sign(person, change)
        sign(person, other)
    publish(people, change)
    before = metadata(people)
    assert "is outdated" in publish(people, other, code=13)
    # Who has the old root.json still is told by what stands in the store.
    shutil.copy(people.alice.keys / "root.json", people.publisher.keys)
    assert "is outdated" in publish(people, other, code=13)
    assert metadata(people) == before
    shutil.copy(people.publisher.served / "metadata/3.root.json", people.bob.keys / "root.json")
    assert "is outdated" in sign(people.bob, other, code=13)


def test_targets_are_renewed_by_two_people(people: People) -> None:
    file = people.publisher.folder / "renewal.json"
    people.publisher.run("refresh", "targets", "--propose", str(file))
    older = people.publisher.folder / "older.json"
    shutil.copy(file, older)
    shown = sign(people.alice, file)
    assert "targets: 1 of 2 signatures" in shown
    assert "lacks signatures for targets" in publish(people, file, code=14)
    sign(people.bob, file)
    with people.publisher.host() as host:
        host.refresh()
        publish(people, file)
        host.refresh()
    again = people.publisher.folder / "again.json"
    people.publisher.run("refresh", "targets", "--propose", str(again))
    for person in (people.alice, people.bob):
        sign(person, again)
        sign(person, older)
    publish(people, again)
    assert "is outdated" in publish(people, older, code=13)


def test_an_agent_is_added_by_two_people(people: People) -> None:
    file = people.publisher.folder / "siren.json"
    people.publisher.run("keys", "add", "siren", "--new", "--propose", str(file))
    for person in (people.alice, people.bob):
        sign(person, file)
    publish(people, file)
    assert people.publisher.json("history", "siren")["moves"] == []
    file.unlink()
    people.publisher.run("keys", "rotate", "beacon", "--propose", str(file))
    for person in (people.alice, people.bob):
        sign(person, file)
    publish(people, file)
    people.publisher.release("1.1.0")
    with people.publisher.host() as host:
        assert host.fetch("beacon-v1.0.0.tar.gz")
        assert host.fetch("beacon-v1.1.0.tar.gz")


def test_a_key_of_root_is_replaced_by_its_new_holder(people: People) -> None:
    """Carol makes her key on her machine, and Bob's goes."""
    first = (people.publisher.keys / "root.json").read_bytes()
    carol = join(people.publisher, people.bob.folder.parent / "carol")
    file = carol.folder / "carol.json"
    carol.run("keys", "add", "root", "--new", "--propose", str(file))
    assert (carol.keys / "root-3.pem").exists()
    for person in (people.alice, people.bob):
        sign(person, file)
    publish(people, file)
    shutil.copy(carol.keys / "root-3.pub", people.publisher.keys)
    shown = people.bob.json("keys", "show")["roles"][0]["keys"]
    bobs = next(key["keyid"] for key in shown if key["places"] == ["file:keys/root-2.pem"])
    gone = people.publisher.folder / "gone.json"
    people.publisher.run("keys", "revoke", "root", bobs, "--propose", str(gone))
    sign(people.alice, gone)
    sign(carol, gone)
    publish(people, gone)
    with people.publisher.host(first) as host:
        host.refresh()
    shown = people.publisher.json("keys", "show")["roles"][0]
    assert bobs not in [key["keyid"] for key in shown["keys"]]


def test_keys_of_targets_are_replaced(people: People) -> None:
    """Root signs for the new keys of targets, and the holders of these sign what targets say."""
    first = (people.publisher.keys / "root.json").read_bytes()
    file = people.alice.folder / "targets.json"
    people.alice.run("keys", "rotate", "targets", "--propose", str(file))
    sign(people.bob, file)
    with people.publisher.host(first) as host:
        host.refresh()
        publish(people, file)
        host.refresh()
    people.publisher.release("1.1.0")


def test_all_that_would_change_is_shown_and_nothing_can_hide_it(
    people: People, change: Path
) -> None:
    data = json.loads(change.read_text())
    root = data["proposed"]["root"]["signed"]
    root["consistent_snapshot"] = False
    root["\x1b[1A\x1b[2K"] = "gone"
    [keyid] = root["roles"]["snapshot"]["keyids"]
    root["keys"][keyid]["keyval"]["public"] = "00" * 32
    change.write_text(json.dumps(data))
    shown = people.alice.run("keys", "sign", str(change), code=1).output
    assert "root: consistent_snapshot: true -> false" in shown
    assert "\x1b" not in shown
    assert '\\x1b[1A\\x1b[2K = "gone"' in shown
    assert f"root: key {keyid[:12]} of snapshot: ed25519 " in shown
    assert f'-> ed25519 ed25519 {{"keyval": {{"public": "{"00" * 32}"}}}} {keyid}' in shown


def test_a_machine_is_not_asked(people: People, change: Path) -> None:
    done = people.alice.run("keys", "sign", str(change), "--json", code=2)
    assert "--yes" in done.output
    answer = people.alice.json("keys", "sign", str(change), "--yes", passphrase="correct horse")
    first = answer["signatures"][0]
    assert (first["role"], first["lacking"]) == ("root", 1)
    assert any("of timestamp" in line for line in answer["changes"])


def test_a_person_is_asked(people: People, change: Path) -> None:
    before = change.read_bytes()
    done = people.alice.run("keys", "sign", str(change), code=1)
    assert "sign this?" in done.output
    assert change.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "toolkit-proposal-v1"}'])
def test_what_is_no_proposal(text: str, people: People, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    assert "is no proposal" in sign(people.alice, file, code=13)
    assert "can't be read" in sign(people.alice, tmp_path / "none", code=4)


def test_another_stores_proposal_is_not_signed(people: People, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other")
    other.run("keys", "init")
    other.run("keys", "rotate", "snapshot")
    file = other.folder / "change.json"
    other.run("keys", "rotate", "timestamp", "--propose", str(file))
    assert "does not start from the root that this project trusts" in sign(
        people.alice, file, code=13
    )


def test_nothing_to_propose(people: People, tmp_path: Path) -> None:
    file = tmp_path / "file"
    words = ["keys", "add", "timestamp", "file:keys/timestamp-1.pem", "--propose", str(file)]
    done = people.publisher.run(*words, code=14)
    assert "nothing to propose" in done.output
    done = people.publisher.run("refresh", "beacon", "--propose", str(file), code=2)
    assert "root and targets" in done.output
