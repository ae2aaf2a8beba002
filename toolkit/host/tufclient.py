"""python-tuf's client as agentctl needs it: durable files, and a fault for each attack.

The order of the checks is python-tuf's own, which is that of the TUF specification, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from toolkit.host._vendor.tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from toolkit.host._vendor.tuf.api.metadata import (
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from toolkit.host._vendor.tuf.ngclient import Updater, UpdaterConfig
from toolkit.host.errors import (
    AgentctlError,
    BadMetadata,
    DownloadFailed,
    EndlessData,
    Expired,
    MixedUp,
    NotSigned,
    RolledBack,
    UnknownTarget,
)
from toolkit.host.fetch import CA_HINT
from toolkit.host.files import point_link, write_atomic
from toolkit.host.metadata import MetadataFetcher, NotBelieved, Passing
from toolkit.host.roots import DISTRUST
from toolkit.host.target import MOVES

LIMITS = UpdaterConfig(
    max_root_rotations=256,
    root_max_length=512_000,
    timestamp_max_length=16_384,
    snapshot_max_length=2_000_000,
    targets_max_length=32_000_000,
    prefix_targets_with_hash=False,  # tarballs keep the names that people know
)
HISTORY = "root_history"
_HTTP_HINTS = {
    401: "the store wants credentials; check that the files are public",
    403: "check that the store has signed metadata, and that its files are public",
    404: "check that the store has signed metadata, and that its address is right",
}


class Client(Updater):
    """Keeps a copy of a store's metadata in `folder`, and trusts what `root` leads to.

    `base` is the address of the metadata, `now` the time that decides what ran out.
    Every method raises a TrustFault, or DownloadFailed where the network is at fault.
    """

    def __init__(self, folder: Path, base: str, root: bytes, now: datetime) -> None:
        self.fetcher = MetadataFetcher()
        with _translated("root"):
            super().__init__(str(folder), base, fetcher=self.fetcher, config=LIMITS, bootstrap=root)
        self._trusted_set.reference_time = now

    @property
    def root(self) -> Root:
        """The root that is trusted now."""
        return self._trusted_set.root

    def signed(self, role: str) -> Signed | None:
        """Give what is loaded of `role`, be it final or not."""
        return self._trusted_set.get(role)

    def ran_out(self) -> Signed | None:
        """Give the first metadata in the chain that ran out."""
        now = self._trusted_set.reference_time
        chain = [self.signed(role) for role in (Root.type, Timestamp.type, Snapshot.type)]
        return next((each for each in chain if each and each.is_expired(now)), None)

    def update(self, check_root: Callable[[], None]) -> None:
        """Do what `refresh` does; `check_root` may refuse the root that was come to."""
        self._load_root()
        check_root()
        self._load_timestamp()
        self._load_snapshot()
        self._load_targets(Targets.type, Root.type)

    def moved_to(self, folder: Path) -> None:
        """Keep files in `folder`, where those of before are now."""
        self._dir = str(folder)

    def targets_of(self, name: str) -> Mapping[str, TargetFile]:
        """Give the files that the role `name` may speak for, after `refresh`.

        Raises UnknownTarget where nobody delegated anything to such a role.
        """
        delegations = self._trusted_set.targets.delegations
        roles = (delegations.roles if delegations else None) or {}
        if name not in roles:
            raise UnknownTarget(
                f"the store's signed metadata knows no agent called {name}",
                hint=f"name one of {', '.join(sorted(roles)) or '(there is none)'}",
            )
        files = self._load_targets(name, Targets.type).targets
        return {path: file for path, file in files.items() if roles[name].is_delegated_path(path)}

    def moves_of(self, name: str) -> tuple[Mapping[str, Any], ...]:
        """Give the moves of channels that the role `name` signed, as far as they can be read."""
        moves = self._load_targets(name, Targets.type).unrecognized_fields.get(MOVES)
        return tuple(each for each in moves or () if isinstance(each, Mapping))

    def download(self, role: str, limit: int, version: int) -> bytes:
        """Give a version of a role's metadata as the store has it, not verified."""
        with _translated(role):
            return self._download_metadata(role, limit, version)

    def _load_root(self) -> None:
        with _translated("root"):
            super()._load_root()

    def _load_timestamp(self) -> None:
        with _translated("timestamp"):
            super()._load_timestamp()

    def _load_snapshot(self) -> None:
        with _translated("snapshot"):
            super()._load_snapshot()

    def _load_targets(self, role: str, parent_role: str) -> Targets:
        with _translated(role):
            return super()._load_targets(role, parent_role)

    def _persist_file(self, filename: str, data: bytes) -> None:
        write_atomic(Path(filename), data, 0o644)

    def _update_root_symlink(self) -> None:
        version = self._trusted_set.root.version
        file = Path(self._dir, HISTORY, f"{version}.root.json")
        # A root that could not be written is trusted in memory already; the link must not lead
        # to nothing, or the next run would know no root at all.
        if file.exists():
            point_link(Path(self._dir, "root.json"), file)


@contextmanager
def _translated(role: str) -> Iterator[None]:
    try:
        yield
    except DownloadError as error:
        raise _download_fault(role, error) from error
    except RepositoryError as error:
        raise _fault(role, error) from error


def _download_fault(role: str, error: DownloadError) -> AgentctlError:
    if isinstance(error, NotBelieved):
        return DownloadFailed(str(error), hint=CA_HINT)
    if isinstance(error, DownloadLengthMismatchError):
        return EndlessData(
            f"the store sends more for its {role} metadata than that may be long: {error}",
            hint=f"nothing was installed; {DISTRUST}",
        )
    hint = "check this host's network, its clock and the store, then run it again"
    if isinstance(error, DownloadHTTPError):
        hint = _HTTP_HINTS.get(error.status_code, "check the address of the store")
    wait = error.wait if isinstance(error, Passing) else 0.0
    text = f"the {role} metadata could not be fetched: {error}"
    return DownloadFailed(text, hint=hint, retry_after=wait)


def _fault(role: str, error: RepositoryError) -> AgentctlError:
    if isinstance(error, ExpiredMetadataError):
        return Expired(f"the store's {role} metadata ran out", role=role)
    if isinstance(error, UnsignedMetadataError):
        return NotSigned(
            f"the store's {role} metadata lacks signatures that this host trusts: {error}",
            hint=f"somebody without the keys changed it, or a key was exchanged without a new "
            f"root; {DISTRUST}",
        )
    if _mixed_up(role, error):
        return MixedUp(
            f"the store's {role} metadata is not what the metadata before it names: {error}",
            hint="where something is being published, run it again in a minute; else files were "
            f"mixed or changed: {DISTRUST}",
        )
    if isinstance(error, BadVersionNumberError) or "is missing info for" in str(error):
        return RolledBack(
            f"the store serves older {role} metadata than this host has seen: {error}",
            hint=f"somebody replays an old copy, or the store was restored from one: {DISTRUST}, "
            "then sign anew with `toolkit refresh`",
        )
    return BadMetadata(f"the store's {role} metadata can't be used: {error}", hint=DISTRUST)


def _mixed_up(role: str, error: RepositoryError) -> bool:
    """Tell metadata of different publications from older ones.

    What a targets role must be is told by the snapshot, so there no version is just older.
    """
    if isinstance(error, LengthOrHashMismatchError):
        return True
    named = str(error).startswith("Expected snapshot version")
    later = role not in (Root.type, Timestamp.type, Snapshot.type)
    return isinstance(error, BadVersionNumberError) and (named or later)
