"""What this host believes of a store: metadata that its trusted root leads to, and nothing else.

The first root that an installation is given stays; from then on only roots count that the
trusted one hands on to, one version after the other (TUF specification, section 5.3).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from toolkit.host._vendor.tuf.api.metadata import Root, TargetFile, Timestamp
from toolkit.host.choice import Host, Offer, Wanted, choose, taken_out
from toolkit.host.clock import check_back, check_behind, parse_time, ran_out
from toolkit.host.errors import BadMetadata, BadRelease, Expired, NotYet, TooOld, UnknownTarget
from toolkit.host.files import make_folder, remove_tree, sync_folder, write_atomic
from toolkit.host.layout import Layout
from toolkit.host.roots import check_line, parse_root
from toolkit.host.stage import tarball_url
from toolkit.host.target import SIGNED_AT, parse_custom
from toolkit.host.tufclient import HISTORY, LIMITS, Client

METADATA = "metadata"
# A timestamp may say when it was signed; TUF itself knows only when metadata runs out.
_ROOT = "root.json"
_LAST = "refreshed.json"


class Trust:
    """A store's signed metadata, as the host whose folder is `home` may believe it.

    `store` is a URL or a folder of this host, `root` the bytes of the root metadata that the
    operator gave, `clock` gives the time. Whoever calls holds the folder's lock.
    """

    def __init__(self, home: Path, store: str, root: bytes, clock: Callable[[], datetime]) -> None:
        self._folder = Layout(home).trust
        self._base = tarball_url(store, METADATA)
        self._given = root
        self._now = clock()
        self._client: Client | None = None

    def refresh(self) -> None:
        """Bring the metadata up to date; what is trusted changes only by what was verified.

        Raises a TrustFault, or DownloadFailed, which says nothing against the store.
        """
        parse_root(self._given)
        if self._folder.exists():
            self._client = self._refreshed(self._folder, _intact(self._folder / _ROOT))
        else:
            self._client = self._pinned()

    def pick(self, wanted: Wanted, host: Host) -> Offer:
        """Give the release that `wanted` means on `host`; raises what `choose` does."""
        if self._client is None:
            self.refresh()
        if self._client is None:
            raise BadMetadata("the store's metadata was not refreshed")
        return self._pick(self._client, wanted, host)

    def taken_out(self, wanted: Wanted, host: Host) -> bool:
        """Say whether the version that runs on `host` was taken back: `choice.taken_out`."""
        if self._client is None:
            return False
        files = self._client.targets_of(wanted.name)
        targets = [offer.target for offer in _readable(files)[0]]
        return taken_out(targets, self._client.moves_of(wanted.name), wanted, host)

    def _pick(self, client: Client, wanted: Wanted, host: Host) -> Offer:
        with self._clock_judged(client):
            files = client.targets_of(wanted.name)
            offer = _choose(files, wanted, host)
            owner = client.get_targetinfo(offer.file)
            others = tuple(
                each
                for each in offer.others
                if client.get_targetinfo(each.file) == files[each.file]
            )
        if owner != files[offer.file]:
            raise UnknownTarget(
                f"{wanted.name} may not speak for {offer.file}: another role comes first",
                hint="look at the delegations of the store's targets metadata",
            )
        return replace(offer, others=others)

    def _pinned(self) -> Client:
        """Take the given root for good, once all that it leads to was verified."""
        fresh = self._folder.with_name(f".{self._folder.name}.new")
        remove_tree(fresh)
        make_folder(fresh, 0o755)
        try:
            client = self._refreshed(fresh, self._given)
            fresh.rename(self._folder)
        except BaseException:
            remove_tree(fresh)
            raise
        sync_folder(self._folder.parent)
        client.moved_to(self._folder)
        return client

    def _refreshed(self, folder: Path, root: bytes) -> Client:
        self._check_note(folder / _LAST)
        make_folder(folder / HISTORY, 0o755)
        client = Client(folder, self._base, root, self._now)
        with self._clock_judged(client):
            client.update(lambda: self._check_root(client, folder / HISTORY))
        self._check_behind(client)
        note = {"at": self._now.isoformat(timespec="seconds"), "store": self._base}
        write_atomic(folder / _LAST, (json.dumps(note) + "\n").encode(), 0o644)
        return client

    def _check_root(self, client: Client, history: Path) -> None:
        versions = {int(path.name.split(".")[0]): path for path in history.glob("*.root.json")}
        trusted = {
            version: path.read_bytes()
            for version, path in versions.items()
            if version <= client.root.version
        }

        def fetch(version: int) -> bytes:
            return client.download(Root.type, LIMITS.root_max_length, version)

        check_line(self._given, trusted, fetch, str(self._folder))

    def _check_note(self, note: Path) -> None:
        try:
            last = parse_time(json.loads(note.read_bytes())["at"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return  # it only guards against a clock that went back
        check_back(self._now, last, str(self._folder / _LAST))

    def _check_behind(self, client: Client) -> None:
        timestamp = client.signed(Timestamp.type)
        text = timestamp.unrecognized_fields.get(SIGNED_AT) if timestamp else None
        try:
            signed_at = parse_time(text) if text is not None else None
        except (TypeError, ValueError) as error:
            raise BadMetadata(f"the store's timestamp has {text!r} for {SIGNED_AT}") from error
        check_behind(self._now, signed_at, client.fetcher.store_time)

    @contextmanager
    def _clock_judged(self, client: Client) -> Iterator[None]:
        """Where metadata ran out, say when, and whether this host's clock may be why."""
        try:
            yield
        except Expired as error:
            old = client.ran_out()
            role, end = (old.type, old.expires) if old else (error.role, None)
            raise ran_out(role, end, self._now, client.fetcher.store_time) from error


def _intact(root: Path) -> bytes:
    try:
        data = root.read_bytes()
        parse_root(data)
    except (BadMetadata, FileNotFoundError) as error:
        raise BadMetadata(
            f"{root} is damaged: {error}",
            hint=f"remove {root.parent}, then install again with a script that you trust",
        ) from error
    return data


def _choose(files: Mapping[str, TargetFile], wanted: Wanted, host: Host) -> Offer:
    """Choose among what this agentctl understands, and say where that is not all."""
    offers, unread = _readable(files)
    try:
        return choose(offers, wanted, host)
    except UnknownTarget as error:
        if not unread or isinstance(error, NotYet):
            raise
        path, reason = unread[-1]
        raise TooOld(
            f"{error.message}, as far as this agentctl can read: {path}: {reason.message}",
            hint="get a new install script: it brings the agentctl that is published now",
        ) from error


def _readable(
    files: Mapping[str, TargetFile],
) -> tuple[list[Offer], list[tuple[str, BadRelease]]]:
    """Give what this agentctl understands, and the faults of the others, by path."""
    offers, unread = [], []
    for path, file in files.items():
        try:
            offers.append(_offer(path, file))
        except BadRelease as error:
            unread.append((path, error))
    return offers, unread


def _offer(path: str, file: TargetFile) -> Offer:
    if "sha256" not in file.hashes:
        raise BadRelease("the metadata has no SHA-256 of it")
    return Offer(path, file.length, file.hashes["sha256"], parse_custom(file.custom))
