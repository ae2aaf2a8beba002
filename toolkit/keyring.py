"""The keys of a project: its key folder, the signers of its toolkit.toml, and what it trusts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import Signer, SSlibKey

from toolkit import keys
from toolkit.errors import NotFoundError, SigningError, TrustError
from toolkit.keys import Ask
from toolkit.trust.model import Delegation, Lifetimes
from toolkit.trust_config import TrustConfig

ROOT_FILE = "root.json"
IGNORE = "# Private keys stay out of the repository; root.json and *.pub belong in it.\n*.pem\n"


@dataclass(frozen=True)
class Place:
    """Where a private key is: its URI, and its public key where that can be told without it."""

    uri: str
    key: SSlibKey | None


@dataclass
class Keyring:
    """Finds signers, and opens each key once at most.

    `project` is the folder that relative paths count from; `ask` gives passphrases.
    """

    config: TrustConfig
    project: Path
    ask: Ask
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _opened: dict[str, Signer] = field(default_factory=dict)
    _added: dict[str, list[str]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of keys."""
        return self.project / Path(self.config.keys).expanduser()

    @property
    def lifetimes(self) -> Lifetimes:
        """How long what is signed holds."""
        return Lifetimes(**self.config.days.model_dump())

    def trusted_root(self) -> bytes:
        """Read the root that this project trusts to begin with.

        Raises TrustError where there is none.
        """
        file = self.folder / ROOT_FILE
        try:
            return file.read_bytes()
        except OSError as error:
            raise TrustError(
                f"this project has no trusted root: {file}",
                why=error.strerror or str(error),
                hint="make the keys by `toolkit keys init`, or get root.json from whoever did; "
                "never take it from the store, which is what it is there to check",
            ) from error

    def places(self, role: str) -> Iterator[Place]:
        """Give where the private keys of `role` may be."""
        uris = self.config.signers(role) or [
            self._uri(path)
            for path in sorted(self.folder.glob(f"{role}-*.pem"))
            if re.fullmatch(rf"{re.escape(role)}-[0-9]+", path.stem)
        ]
        # Those that were made in this run come last; they may be among the files already.
        for uri in dict.fromkeys((*uris, *self._added.get(role, ()))):
            yield Place(uri, self._public(uri))

    def signers(self, delegation: Delegation) -> Sequence[Signer]:
        """Open the keys of the delegation that are at hand, no more than its threshold needs.

        A key of another role or one that was revoked is not opened, where its public half tells.
        """
        found: dict[str, Signer] = {}
        for place in self.places(delegation.role):
            if place.key is not None and place.key.keyid not in delegation.keys:
                continue
            if len(found) < delegation.threshold and self._at_hand(place.uri):
                signer = self.open(place.uri)
                if signer.public_key.keyid in delegation.keys:
                    found[signer.public_key.keyid] = signer
        return tuple(found.values())

    def open(self, uri: str) -> Signer:
        """Open a signer; raises SigningError where it cannot be."""
        if uri not in self._opened:
            self._opened[uri] = keys.open_signer(uri, self.project, self.environ, self.ask)
        return self._opened[uri]

    def can_sign(self, delegation: Delegation) -> bool:
        """Tell whether enough keys of the delegation are at hand and ask for no passphrase."""
        ready = [
            place
            for place in self.places(delegation.role)
            if self._at_hand(place.uri)
            and (place.key is None or place.key.keyid in delegation.keys)
            and not self._locked(place.uri)
        ]
        return len(ready) >= delegation.threshold

    def make(self, role: str, passphrase: str | None) -> SSlibKey:
        """Make the next key of `role` in the key folder; give its public half."""
        taken = [
            int(path.stem.removeprefix(f"{role}-"))
            for path in self.folder.glob(f"{role}-*.p*")
            if re.fullmatch(rf"{re.escape(role)}-[0-9]+", path.stem)
        ]
        path = self.folder / f"{role}-{max(taken, default=0) + 1}.pem"
        key = keys.make(path, passphrase)
        self.add(role, self._uri(path))
        return key

    def add(self, role: str, uri: str) -> SSlibKey:
        """Let the signer `uri` count for `role` in this run; give its public key."""
        self._added.setdefault(role, []).append(uri)
        key = self._public(uri) or self.open(uri).public_key
        if not isinstance(key, SSlibKey):
            raise SigningError(
                f"the signer {uri} is of a kind that metadata cannot name",
                why=f"its public key is a {type(key).__name__}",
                hint="use an Ed25519 key",
            )
        return key

    def added(self, role: str) -> tuple[str, ...]:
        """Give the signers that were added to `role` in this run."""
        return tuple(self._added.get(role, ()))

    def to_do(self, role: str, uri: str) -> str | None:
        """Say what to write into toolkit.toml, so that later runs find the signer `uri` too."""
        known = {place.uri for place in Keyring(self.config, self.project, self.ask).places(role)}
        if uri in known or (uri.startswith(f"{keys.FILE}:") and not self.config.signers(role)):
            return None
        return f"add {uri!r} to the signers of {role} in [trust] of toolkit.toml"

    def prepare_folder(self) -> None:
        """Make the folder of keys, which only its owner can look into."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = self.folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text(IGNORE, encoding="utf-8")

    def trust(self, root: bytes) -> Path:
        """Keep `root` as what this project trusts to begin with."""
        file = self.folder / ROOT_FILE
        if file.exists() and file.read_bytes() == root:
            return file
        part = file.with_name(f".{ROOT_FILE}.part")
        part.write_bytes(root)
        part.chmod(0o644)
        part.replace(file)
        return file

    def _uri(self, path: Path) -> str:
        own = path.is_relative_to(self.project)
        return f"{keys.FILE}:{path.relative_to(self.project) if own else path}"

    def _public(self, uri: str) -> SSlibKey | None:
        path = self._path(uri)
        if path is None:
            opened = self._opened.get(uri)
            public = opened.public_key if opened else None
            return public if isinstance(public, SSlibKey) else None
        try:
            return keys.public_key(path)
        except NotFoundError:
            return None

    def _at_hand(self, uri: str) -> bool:
        """Tell whether the key's file or variable is there; a service is taken to be."""
        path = self._path(uri)
        if path is not None:
            return path.exists()
        scheme, _, name = uri.partition(":")
        return scheme != keys.ENVIRONMENT or bool(self.environ.get(name))

    def _locked(self, uri: str) -> bool:
        path = self._path(uri)
        return path is not None and uri not in self._opened and keys.is_encrypted(path)

    def _path(self, uri: str) -> Path | None:
        scheme, _, rest = uri.partition(":")
        return self.project / Path(rest).expanduser() if scheme == keys.FILE else None
