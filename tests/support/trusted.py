"""Repositories with real keys, and a real client that reads them."""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Key, Signer
from tuf.api.metadata import Metadata, Root
from tuf.ngclient import Updater, UpdaterConfig

from tests.support.serve import StoreServer
from toolkit.host.target import Target, parse_custom
from toolkit.repository import Publisher, create
from toolkit.store import Store
from toolkit.trust.catalog import Listed
from toolkit.trust.model import ENGINE, TOP_LEVEL, Delegation, Lifetimes, delegation
from toolkit.trust.sign import new_root, new_targets, prepare, sign

NOW = datetime.now(tz=UTC).replace(microsecond=0)
AGENT = "beacon"


@dataclass
class Keys:
    """All keys in memory, by role: what a keyring is to toolkit."""

    by_role: dict[str, list[CryptoSigner]] = field(default_factory=dict)
    root: bytes = b""
    lifetimes: Lifetimes = field(default_factory=Lifetimes)

    def trusted_root(self) -> bytes:
        return self.root

    def signers(self, delegation: Delegation) -> Sequence[Signer]:
        known = self.by_role.get(delegation.role, [])
        return [each for each in known if each.public_key.keyid in delegation.keys]

    def add(self, role: str) -> Key:
        signer = CryptoSigner.generate_ed25519()
        self.by_role.setdefault(role, []).append(signer)
        return signer.public_key

    def public(self, role: str) -> list[Key]:
        return [each.public_key for each in self.by_role[role]]


def make_keys(*agents: str, root_keys: int = 1, thresholds: Mapping[str, int] = {}) -> Keys:
    """Make a key for each role, and a first root."""
    keys = Keys()
    for role in (*TOP_LEVEL, ENGINE, *agents):
        for _ in range(root_keys if role == "root" else 1):
            keys.add(role)
    root = prepare(
        new_root({role: keys.public(role) for role in TOP_LEVEL}, thresholds),
        1,
        keys.lifetimes,
        "root",
        NOW,
    )
    keys.root = sign(root, [delegation("root", root, None)], keys.signers).to_bytes()
    return keys


def publish_first(store: Store, keys: Keys, *agents: str, now: datetime = NOW) -> Publisher:
    """Publish the first set; give what publishes further ones."""
    at = Publisher(store, keys, now)
    root: Metadata[Root] = Metadata.from_bytes(keys.root)
    create(at, root, new_targets({role: keys.public(role) for role in (ENGINE, *agents)}))
    return at


def listed(version: str, agent: str = AGENT, data: bytes = b"tarball") -> Listed:
    """Give the tarball of a version as metadata lists it."""
    return Listed(
        f"{agent}-v{version}.tar.gz",
        len(data),
        hashlib.sha256(data).hexdigest(),
        Target("release", agent, version, compression="gzip"),
    )


def later(at: Publisher, **span: float) -> Publisher:
    """Give the same publisher after a while."""
    return replace(at, now=at.now + timedelta(**span))


class Client:
    """A host: a real client of TUF, which remembers what it has seen."""

    def __init__(self, url: str, root: bytes, folder: Path) -> None:
        self._url, self._root, self._folder = url, root, folder

    def updater(self) -> Updater:
        return Updater(
            str(self._folder),
            f"{self._url}/metadata",
            target_dir=str(self._folder),
            target_base_url=self._url,
            config=UpdaterConfig(prefix_targets_with_hash=False),
            bootstrap=self._root,
        )

    def refresh(self) -> None:
        self.updater().refresh()

    def find(self, name: str) -> Target | None:
        """Give what the metadata says of a file; None where nobody vouches for it."""
        info = self.updater().get_targetinfo(name)
        return parse_custom(info.custom) if info else None

    def fetch(self, name: str) -> bytes:
        """Download a file, as far as the metadata vouches for its bytes."""
        updater = self.updater()
        info = updater.get_targetinfo(name)
        assert info is not None
        return Path(updater.download_target(info)).read_bytes()


def read_by_client(files: Mapping[str, bytes], root: bytes, *names: str) -> list[Target | None]:
    """Let a new host read the files of a store over HTTP, and find `names` in the metadata."""
    with tempfile.TemporaryDirectory() as folder, StoreServer(Path(folder) / "www") as server:
        for name, data in files.items():
            path = server.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        home = Path(folder) / "host"
        home.mkdir()
        client = Client(server.url, root, home)
        client.refresh()
        return [client.find(name) for name in names]
