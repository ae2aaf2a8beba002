from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.tarballs import write_release
from toolkit.artifact import Artifact
from toolkit.errors import ConflictError, IntegrityError, NotFoundError, StoreError
from toolkit.progress import Silent
from toolkit.publish import (
    Action,
    Manner,
    Publication,
    Published,
    foresee,
    hand_over,
    prepare,
    publish,
)
from toolkit.store import DirectoryStore, Entry, Stored, pieces
from toolkit.uploads import Upload, of_bytes

X64 = Artifact("glances", "1.0.0", "linux-x64")
ARM64 = Artifact("glances", "1.0.0", "linux-arm64")
ANYWHERE = Artifact("glances", "1.0.0", None)
AGENTCTL = ("agentctl-1.pyz", b"zip")


@dataclass
class MemoryStore:
    """A store in memory: counts what it is sent, breaks after `breaks_after` files, and may
    change bytes on their way in."""

    files: dict[str, bytes] = field(default_factory=dict)
    promised: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    breaks_after: int | None = None
    change: Callable[[bytes], bytes] = bytes

    read_names: list[str] = field(default_factory=list)

    def locate(self, name: str) -> str:
        return f"memory:{name}"

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        data = self.files.get(name)
        self.read_names.append(name)
        yield (
            None if data is None else Stored(len(data), iter([data[:3], data[3:]]), str(hash(data)))
        )

    def look(self, name: str) -> Entry | None:
        data = self.files.get(name)
        if data is None:
            return None
        return Entry(len(data), str(hash(data)), self.promised.get(name))

    def write(self, upload: Upload, sent: Callable[[int], None]) -> None:
        if len(self.sent) == self.breaks_after:
            raise StoreError("the network is gone")
        data = b"".join(pieces(upload.body))
        sent(len(data))
        self.sent.append(upload.name)
        self.files[upload.name] = self.change(data)
        self.promised[upload.name] = upload.sha256

    def delete(self, name: str) -> None:
        self.files.pop(name, None)

    def names(self, prefix: str = "") -> frozenset[str]:
        return frozenset(name for name in self.files if name.startswith(prefix))


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    write_release(tmp_path, X64)
    write_release(tmp_path, ARM64, b"print('arm')\n")
    return tmp_path


def publication(version: str = "1.0.0") -> Publication:
    return Publication("glances", version, ("linux-x64", "linux-arm64"), (AGENTCTL,))


def uploads_of(dist: Path) -> tuple[Upload, ...]:
    return prepare(publication(), DirectoryStore(dist), Silent()).uploads


def run(dist: Path, store: MemoryStore) -> list[Action]:
    return [one.action for one in publish(uploads_of(dist), store, Silent())]


def test_every_platform_and_the_engine_are_published_latest_last(dist: Path) -> None:
    store = MemoryStore()
    assert run(dist, store) == [Action.SENT] * 9
    assert store.sent[0] == "agentctl-1.pyz"
    assert [name for name in store.sent if "latest" in name] == store.sent[5:]
    for artifact in (X64, ARM64):
        assert store.files[artifact.tarball] == (dist / artifact.tarball).read_bytes()
        assert store.files[artifact.latest] == store.files[artifact.tarball]
        checksum = (dist / f"{artifact.latest}.sha256").read_bytes()
        assert store.files[f"{artifact.latest}.sha256"] == checksum


def test_a_second_run_sends_nothing(dist: Path) -> None:
    store = MemoryStore()
    run(dist, store)
    store.sent.clear()
    store.read_names.clear()
    assert run(dist, store) == [Action.UNCHANGED] * 9
    assert store.sent == []
    assert store.read_names == []


def test_only_what_was_sent_is_read_back_unless_all_is_wanted(dist: Path) -> None:
    store = MemoryStore()
    run(dist, store)
    del store.files["agentctl-1.pyz"]
    store.read_names.clear()
    run(dist, store)
    assert store.read_names == ["agentctl-1.pyz"]
    store.read_names.clear()
    publish(uploads_of(dist), store, Silent(), Manner(verify_all=True))
    assert len(store.read_names) == 9


def test_a_file_without_a_hash_beside_it_is_read(dist: Path) -> None:
    store = MemoryStore()
    run(dist, store)
    store.promised.clear()
    assert run(dist, store) == [Action.UNCHANGED] * 9
    store.files["agentctl-1.pyz"] = b"zap"
    with pytest.raises(ConflictError, match="is there already"):
        run(dist, store)


def test_bytes_that_changed_in_the_store_are_found_where_all_is_read(dist: Path) -> None:
    store = MemoryStore()
    run(dist, store)
    store.files["agentctl-1.pyz"] = b"zap"
    assert foresee(uploads_of(dist), store, Silent())[0].action is Action.UNCHANGED
    manner = Manner(verify_all=True)
    assert foresee(uploads_of(dist), store, Silent(), manner)[0].action is Action.CONFLICT


def test_many_small_files_go_at_once_and_each_is_read_back(tmp_path: Path) -> None:
    store = MemoryStore()
    uploads = [of_bytes(f"{number}.json", b"%d" % number, immutable=True) for number in range(40)]
    latest = of_bytes("latest.json", b"", immutable=False)
    publish([*uploads, latest], store, Silent())
    assert set(store.sent) == set(store.read_names) == set(store.files)
    assert len(store.sent) == 41
    assert store.sent[-1] == "latest.json"


def test_a_fault_of_one_of_many_stops_the_rest(tmp_path: Path) -> None:
    store = MemoryStore(breaks_after=5)
    uploads = [of_bytes(f"{number}.json", b"%d" % number, immutable=True) for number in range(40)]
    with pytest.raises(StoreError, match="network"):
        publish([*uploads, of_bytes("latest.json", b"", immutable=False)], store, Silent())
    assert "latest.json" not in store.files
    assert len(store.sent) == 5


def test_metadata_is_committed_after_all_that_lasts_and_before_latest(dist: Path) -> None:
    store = MemoryStore()
    committed: list[str] = []

    def commit(lasting: Sequence[Published]) -> None:
        committed.extend(store.sent)
        assert [one.upload.name for one in lasting] == store.sent

    publish(uploads_of(dist), store, Silent(), Manner(commit=commit))
    assert len(committed) == 5
    assert not [name for name in committed if "latest" in name]
    assert len(store.sent) == 9


def test_latest_stays_where_metadata_could_not_be_committed(dist: Path) -> None:
    store = MemoryStore()

    def commit(_: Sequence[Published]) -> None:
        raise StoreError("the key is gone")

    with pytest.raises(StoreError, match="key"):
        publish(uploads_of(dist), store, Silent(), Manner(commit=commit))
    assert not [name for name in store.sent if "latest" in name]


@pytest.mark.parametrize("breaks_after", range(9))
def test_interrupted_between_files_a_second_run_finishes(dist: Path, breaks_after: int) -> None:
    store = MemoryStore(breaks_after=breaks_after)
    with pytest.raises(StoreError, match="network"):
        run(dist, store)
    store.breaks_after = None
    actions = run(dist, store)
    assert actions == [Action.UNCHANGED] * breaks_after + [Action.SENT] * (9 - breaks_after)
    assert len(store.sent) == len(set(store.sent)) == 9


@pytest.mark.parametrize("other", [b"other bytes", b"", b"zap"])
def test_a_version_with_other_bytes_is_refused_and_nothing_is_sent(
    dist: Path, other: bytes
) -> None:
    store = MemoryStore(files={AGENTCTL[0]: other})
    with pytest.raises(StoreError, match=r"memory:agentctl-1\.pyz is there already") as caught:
        run(dist, store)
    assert "new version" in caught.value.hint
    assert store.sent == []


def test_latest_is_replaced_by_a_newer_version(dist: Path) -> None:
    store = MemoryStore()
    run(dist, store)
    newer = Artifact("glances", "1.1.0", "linux-x64")
    write_release(dist, newer, b"print('newer')\n")
    prepared = prepare(publication("1.1.0"), DirectoryStore(dist), Silent())
    actions = {one.upload.name: one.action for one in publish(prepared.uploads, store, Silent())}
    assert actions == {
        "agentctl-1.pyz": Action.UNCHANGED,
        newer.tarball: Action.SENT,
        f"{newer.tarball}.sha256": Action.SENT,
        newer.latest: Action.REPLACED,
        f"{newer.latest}.sha256": Action.REPLACED,
    }
    assert prepared.notes == ("not built, so not published: linux-arm64",)


def test_an_older_version_leaves_latest_alone(dist: Path) -> None:
    write_release(dist, Artifact("glances", "1.1.0", "linux-x64"), b"print('newer')\n")
    prepared = prepare(publication(), DirectoryStore(dist), Silent())
    assert X64.latest not in [upload.name for upload in prepared.uploads]
    assert ARM64.latest in [upload.name for upload in prepared.uploads]
    assert prepared.notes == (
        "glances-latest-linux-x64.tar.gz was left as it is: it is another release than 1.0.0",
    )


def test_one_tarball_may_serve_every_platform(tmp_path: Path) -> None:
    write_release(tmp_path, ANYWHERE)
    prepared = prepare(publication(), DirectoryStore(tmp_path), Silent())
    assert [upload.name for upload in prepared.uploads][1] == "glances-v1.0.0.tar.gz"
    assert prepared.notes == ()


@pytest.mark.parametrize("change", [bytes.upper, lambda data: data[:-1], lambda _: b""])
def test_a_store_that_changes_bytes_is_found_out(
    dist: Path, change: Callable[[bytes], bytes]
) -> None:
    store = MemoryStore(change=change)
    with pytest.raises(StoreError, match=r"memory:agentctl-1\.pyz does not hold what was sent"):
        run(dist, store)
    assert store.sent == ["agentctl-1.pyz"]


def test_nothing_built_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"glances 1\.0\.0 is not in") as caught:
        uploads_of(tmp_path / "none")
    assert caught.value.hint == "run `toolkit release glances`"


def test_another_version_built_is_named(dist: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        prepare(publication("2.0.0"), DirectoryStore(dist), Silent())
    assert "glances-v1.0.0-linux-x64.tar.gz" in caught.value.why


@pytest.mark.parametrize("name", [X64.tarball, ARM64.latest])
def test_a_tarball_that_changed_after_its_release_is_refused(dist: Path, name: str) -> None:
    with (dist / name).open("ab") as file:
        file.write(b"!")
    with pytest.raises(IntegrityError, match=f"{name} is not what was released"):
        uploads_of(dist)


@pytest.mark.parametrize("text", ["", "abc\n", "0" * 64 + "  other.tar.gz\n", "x" * 5000, "é"])
def test_a_checksum_file_that_says_something_else_is_refused(dist: Path, text: str) -> None:
    (dist / f"{X64.tarball}.sha256").write_text(text)
    with pytest.raises(IntegrityError):
        uploads_of(dist)


@pytest.mark.parametrize("name", [f"{X64.tarball}.sha256", X64.latest])
def test_a_file_of_the_release_that_is_missing_is_named(dist: Path, name: str) -> None:
    (dist / name).unlink()
    with pytest.raises(NotFoundError, match=f"{name} is not in"):
        uploads_of(dist)


def test_a_version_can_not_lead_out_of_the_folder(dist: Path) -> None:
    with pytest.raises(NotFoundError):
        prepare(publication("/../../1.0.0"), DirectoryStore(dist), Silent())


def test_what_stands_in_memory_is_handed_over_as_a_file(dist: Path) -> None:
    folder = DirectoryStore(dist)
    hand_over(uploads_of(dist), folder, Silent())
    assert (dist / "agentctl-1.pyz").read_bytes() == b"zip"
    before = (dist / "agentctl-1.pyz").stat().st_mtime_ns
    hand_over([of_bytes(*AGENTCTL, immutable=True)], folder, Silent())
    assert (dist / "agentctl-1.pyz").stat().st_mtime_ns == before


def test_many_files_are_looked_for_in_one_list() -> None:
    class Counting(MemoryStore):
        def look(self, name: str) -> Entry | None:
            looked.append(name)
            return super().look(name)

    looked: list[str] = []
    files = [of_bytes(f"a-v1-{number}", b"%d" % number, immutable=True) for number in range(20)]
    store = Counting({"a-v1-3": b"3", "a-v1-4": b"other", "b": b""})
    done = foresee(files, store, Silent())
    assert sorted(looked) == ["a-v1-3", "a-v1-4"]
    actions = [one.action for one in done]
    assert actions[3:5] == [Action.UNCHANGED, Action.CONFLICT]
    assert set(actions[:3] + actions[5:]) == {Action.SENT}
