"""The story of `toolkit doctor`: what a store can do, and what toolkit does about it.

Every probe writes to files of its own in a scratch folder, and takes them away again.
"""

from __future__ import annotations

import contextlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from toolkit.errors import ConflictError, CredentialsError, StoreError
from toolkit.findings import SCRATCH, Finding, bad, good, note
from toolkit.store import Store
from toolkit.store_config import S3Config, StoreConfig
from toolkit.uploads import Absent, Unchanged, Upload, of_bytes

_FETCH_SECONDS = 15


def examine(config: StoreConfig, store: Store) -> Iterator[Finding]:
    """Try out a store, one finding after the other; stops early where nothing works at all.

    Args:
        config: what toolkit.toml says of the store.
        store: the same store, opened.
    """
    data = f"toolkit doctor {secrets.token_hex(8)}\n".encode()
    name = f"{SCRATCH}{secrets.token_hex(8)}.tar.gz"
    # Its bytes stand under a name that nobody else has, so no condition is needed.
    scratch = replace(of_bytes(name, data, immutable=True), only_if=None)
    try:
        if isinstance(config, S3Config):
            yield from _bucket(config, store, scratch)
        else:
            yield from _folder(store, scratch)
        with _scratch(store, scratch):
            yield _public(config, scratch)
        yield _deleted(store, scratch)
    except CredentialsError as error:
        yield _failed("credentials", error)
    except StoreError as error:
        yield _failed("use", error)


def _bucket(config: S3Config, store: Store, scratch: Upload) -> Iterator[Finding]:
    from toolkit.s3.checkup import S3Checkup  # noqa: PLC0415 - boto3 takes long to import

    checkup = S3Checkup(config, scratch, lambda: datetime.now(UTC))
    yield from checkup.first()
    with _scratch(store, scratch):
        for probe in checkup.probes():
            yield _result(probe)


def _result(probe: Callable[[], Finding]) -> Finding:
    """Run one probe; its fault is a finding, and the next one is tried all the same."""
    try:
        return probe()
    except StoreError as error:
        return _failed(probe.__name__.replace("_", " "), error)


def _folder(store: Store, scratch: Upload) -> Iterator[Finding]:
    with _scratch(store, scratch):
        yield good("reach", f"{store.locate('')} can be written")
        yield _refuses("only where absent", store, replace(scratch, only_if=Absent()))
        yield _refuses("only where unchanged", store, replace(scratch, only_if=Unchanged("other")))


def _refuses(probe: str, store: Store, upload: Upload) -> Finding:
    with contextlib.suppress(ConflictError):
        store.write(upload, lambda _: None)
        return bad(probe, "ignored", "use a local disk: this file system does not keep promises")
    return good(probe, "honoured", "two publishers at once lose nothing")


@contextmanager
def _scratch(store: Store, scratch: Upload) -> Iterator[None]:
    """Have the scratch file in the store while the block runs, and not after it or Ctrl-C."""
    try:
        store.write(scratch, lambda _: None)
        yield
    finally:
        store.delete(scratch.name)


def _public(config: StoreConfig, scratch: Upload) -> Finding:
    """Fetch the scratch file as a host does: with no credentials, under the public address."""
    probe, url = "public address", config.file_url(scratch.name)
    if url is None:
        return note(probe, "none is set", "set `url`, so that install scripts can be rendered")
    private = "for a private store, render scripts with signed addresses or a bearer header"
    request = urllib.request.Request(url, headers={"User-Agent": "toolkit-doctor"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_FETCH_SECONDS) as answer:  # noqa: S310
            data, headers = answer.read(scratch.size + 1), answer.headers
    except urllib.error.HTTPError as error:
        return note(probe, f"{url} answers {error.code}", private)
    except (OSError, ValueError) as error:
        return bad(probe, f"{url}: {error}", "look at `url` and at what serves it")
    if data != scratch.body:
        return bad(probe, f"{url} gives other bytes", "look at `url`, `prefix` and the caches")
    if headers["Cache-Control"] != scratch.cache_control:
        return note(probe, "readable; Cache-Control is missing or changed", "set it in the server")
    return good(probe, "readable by anybody, with its headers", "hosts need no credentials")


def _deleted(store: Store, scratch: Upload) -> Finding:
    if store.look(scratch.name) is None:
        return good("delete", "done, and gone at once", "`toolkit prune` works")
    return note("delete", "still there afterwards", "`toolkit prune` frees no room")


def _failed(probe: str, error: StoreError) -> Finding:
    return bad(probe, f"{error.message}: {error.why}", error.hint)
