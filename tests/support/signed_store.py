"""A store with signed metadata, made by python-tuf itself, for readers that are to be deceived."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from toolkit.host.target import Target

TOP_LEVEL = (Root.type, Targets.type, Snapshot.type, Timestamp.type)
LIVES = {Root.type: 365, Targets.type: 90, Snapshot.type: 7, Timestamp.type: 1}


class SignedStore:
    """A TUF repository in `folder`/metadata, with a role of its own for each agent of `agents`.

    Change what `root`, `targets`, `roles`, `snapshot` and `timestamp` hold, then `publish`.
    `hashes` says whether timestamp and snapshot name hashes beside versions; `age` lets all be
    signed that long ago.
    """

    def __init__(
        self,
        folder: Path,
        agents: tuple[str, ...] = ("tiny",),
        *,
        hashes: bool = True,
        age: timedelta = timedelta(),
    ) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self.metadata.mkdir(parents=True)
        self.hashes = hashes
        self.now = datetime.now(UTC) - age
        names = (*TOP_LEVEL, *agents)
        self.signers: dict[str, list[Signer]] = {
            n: [CryptoSigner.generate_ed25519()] for n in names
        }
        self.root = Metadata(Root(consistent_snapshot=True, expires=self._end(Root.type)))
        for role in TOP_LEVEL:
            self.root.signed.add_key(self.signers[role][0].public_key, role)
        self.targets = Metadata(Targets(expires=self._end(Targets.type)))
        self.snapshot = Metadata(Snapshot(expires=self._end(Snapshot.type)))
        self.timestamp = Metadata(Timestamp(expires=self._end(Timestamp.type)))
        self.roles = {name: Metadata(Targets(expires=self._end(Targets.type))) for name in agents}
        self.targets.signed.delegations = Delegations(
            {}, {name: DelegatedRole(name, [], 1, True, [f"{name}-v[0-9]*"]) for name in agents}
        )
        for name in agents:
            self.targets.signed.add_key(self.signers[name][0].public_key, name)
        self.write_root()
        self.publish()

    def add(self, name: str, data: bytes, target: Target) -> None:
        """Put a file into the store and let the agent's role name it; `publish` signs that."""
        (self.folder / name).write_bytes(data)
        file = TargetFile.from_data(name, data, ["sha256"])
        file.unrecognized_fields["custom"] = target.to_custom()
        self.roles[target.name].signed.targets[name] = file

    def publish(self) -> None:
        """Write the next version of all but the root."""
        for targets in (self.targets, *self.roles.values()):
            targets.signed.version += 1
        self.snapshot.signed.version += 1
        self.timestamp.signed.version += 1
        metas = {"targets.json": self._written(Targets.type, self.targets)}
        for name, role in self.roles.items():
            metas[f"{name}.json"] = self._written(name, role)
        self.snapshot.signed.meta = metas
        self._publish_snapshot()

    def publish_snapshot(self) -> None:
        """Write the next version of snapshot and timestamp alone."""
        self.snapshot.signed.version += 1
        self.timestamp.signed.version += 1
        self._publish_snapshot()

    def _publish_snapshot(self) -> None:
        self.timestamp.signed.snapshot_meta = self._written(Snapshot.type, self.snapshot)
        self.write_timestamp()

    def write_timestamp(self) -> None:
        """Sign and write timestamp.json as it stands."""
        self._sign(Timestamp.type, self.timestamp).to_file(str(self.metadata / "timestamp.json"))

    def write_root(self, *more: Signer) -> None:
        """Sign the root as it stands with its keys, and with those of `more`, and write it."""
        metadata = self._sign(Root.type, self.root)
        for signer in more:
            metadata.sign(signer, append=True)
        metadata.to_file(str(self.metadata / f"{self.root.signed.version}.root.json"))

    def rotate(self, role: str) -> None:
        """Exchange the key of a top-level role by a new root."""
        old_root = self.signers[Root.type]
        for key in list(self.root.signed.roles[role].keyids):
            self.root.signed.revoke_key(key, role)
        self.signers[role] = [CryptoSigner.generate_ed25519()]
        self.root.signed.add_key(self.signers[role][0].public_key, role)
        self.root.signed.version += 1
        self.write_root(*(old_root if role == Root.type else ()))

    def root_bytes(self, version: int | None = None) -> bytes:
        """Give the root of a version, or the newest."""
        number = version or self.root.signed.version
        return (self.metadata / f"{number}.root.json").read_bytes()

    def write(self, name: str, role: str, metadata: Metadata[Targets] | Metadata[Snapshot]) -> None:
        """Sign `metadata` as `role`, and write it as the file `name`."""
        self._sign(role, metadata).to_file(str(self.metadata / name))

    @contextmanager
    def put_back(self) -> Iterator[None]:
        """Let the folder at the end be as it is now: what was published since is gone."""
        copy = self.folder.with_name(f"{self.folder.name}.copy")
        shutil.copytree(self.metadata, copy)
        yield
        shutil.rmtree(self.metadata)
        copy.rename(self.metadata)

    def _end(self, role: str) -> datetime:
        return (self.now + timedelta(days=LIVES[role])).replace(microsecond=0)

    def _written(self, role: str, metadata: Metadata[Targets] | Metadata[Snapshot]) -> MetaFile:
        version = metadata.signed.version
        name = f"{version}.{role}.json"
        self.write(name, role, metadata)
        data = (self.metadata / name).read_bytes()
        if not self.hashes:
            return MetaFile(version)
        return MetaFile.from_data(version, data, ["sha256"])

    def _sign(self, role: str, metadata: Metadata) -> Metadata:  # type: ignore[type-arg]
        metadata.signatures.clear()
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        return metadata


def release(version: str, *, name: str = "tiny", **more: object) -> Target:
    """Describe a release that fits every platform."""
    values: Mapping[str, object] = {"compression": "gzip", **more}
    return Target("release", name, version, **values)  # type: ignore[arg-type]
