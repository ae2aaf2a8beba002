"""What stands beside a tarball goes up with it, and is signed for as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.releases import tiny
from toolkit.artifact import Artifact
from toolkit.beside import companions
from toolkit.delta import Wanted, make_deltas
from toolkit.errors import IntegrityError
from toolkit.host.target import Target
from toolkit.progress import Silent
from toolkit.publish import Action, Manner, Publication, Published, prepare, publish
from toolkit.store import DirectoryStore
from toolkit.uploads import Upload
from toolkit.vouch import _listed


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    for version in ("1.0.0", "1.1.0"):
        tiny(tmp_path, version=version, environment={"FILLER": "x" * 4000})
    list(make_deltas(Wanted("tiny", "1.1.0", ("1.0.0",)), tmp_path, Silent()))
    return tmp_path


def uploads(dist: Path) -> tuple[Upload, ...]:
    publication = Publication("tiny", "1.1.0", ())
    return prepare(publication, DirectoryStore(dist), Silent()).uploads


def test_all_files_of_the_version_go_up_before_latest(dist: Path) -> None:
    names = [upload.name for upload in uploads(dist)]
    assert names[:2] == ["tiny-v1.1.0.tar.gz", "tiny-v1.1.0.tar.gz.sha256"]
    assert set(names[2:-2]) == {
        "tiny-v1.1.0.tar.zst",
        "tiny-v1.1.0.tar.zst.sha256",
        "tiny-v1.1.0.cdx.json",
        "tiny-v1.1.0.intoto.json",
        "tiny-v1.1.0.from-v1.0.0.tar.zst",
    }
    assert names[-2:] == ["tiny-latest.tar.gz", "tiny-latest.tar.gz.sha256"]
    assert all(upload.immutable for upload in uploads(dist)[:-2])


def test_each_is_signed_for_as_what_it_is(dist: Path) -> None:
    listed = _listed(Publication("tiny", "1.1.0", ()), uploads(dist), Silent())
    targets = {one.path: one.target for one in listed}
    kinds = {name: (target.kind, target.compression) for name, target in targets.items()}
    assert kinds == {
        "tiny-v1.1.0.tar.gz": ("release", "gzip"),
        "tiny-v1.1.0.tar.zst": ("release", "zstd"),
        "tiny-v1.1.0.cdx.json": ("sbom", None),
        "tiny-v1.1.0.intoto.json": ("provenance", None),
        "tiny-v1.1.0.from-v1.0.0.tar.zst": ("delta", "zstd"),
    }
    whole, delta = targets["tiny-v1.1.0.tar.gz"], targets["tiny-v1.1.0.from-v1.0.0.tar.zst"]
    assert isinstance(whole, Target)
    assert whole.tar == delta.tar
    assert delta.source is not None
    assert delta.source["version"] == "1.0.0"


@pytest.mark.parametrize(
    "name", ["tiny-v1.1.0.tar.zst", "tiny-v1.1.0.cdx.json", "tiny-v1.1.0.from-v1.0.0.tar.zst"]
)
def test_a_file_that_is_not_what_was_built_stops_the_upload(name: str, dist: Path) -> None:
    (dist / name).write_bytes(b"something else")
    with pytest.raises(IntegrityError, match=name):
        list(companions(Artifact("tiny", "1.1.0", None), dist))


def test_a_delta_that_nothing_describes_stops_the_upload(dist: Path) -> None:
    (dist / "tiny-v1.1.0.from-v1.0.0.tar.zst.json").unlink()
    with pytest.raises(IntegrityError, match="is not described"):
        list(companions(Artifact("tiny", "1.1.0", None), dist))


def test_the_provenance_that_was_published_first_stays(dist: Path, tmp_path: Path) -> None:
    """The same tarball can come of another commit; what is published tells of the first."""
    store = DirectoryStore(tmp_path / "store")
    publish(uploads(dist), store, Silent())
    provenance = dist / "tiny-v1.1.0.intoto.json"
    first = provenance.read_bytes()
    provenance.write_bytes(b"{}")
    committed: list[Published] = []
    done = publish(uploads(dist), store, Silent(), Manner(commit=committed.extend))
    actions = {one.upload.name: one.action for one in done}
    assert actions.pop(provenance.name) is Action.KEPT
    assert set(actions.values()) == {Action.UNCHANGED}
    assert store.path(provenance.name).read_bytes() == first
    assert provenance.name not in [one.upload.name for one in committed]
