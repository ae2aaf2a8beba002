"""Sends files to a store and makes sure of each: what arrived is what was meant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from toolkit.errors import StoreError
from toolkit.progress import Progress, Silent
from toolkit.store import Receipt, Store, Stored
from toolkit.uploads import Upload

# From this many files of at most this many bytes on, several are sent at once.
_MANY, _SMALL = 16, 8 * 1024 * 1024
_AT_ONCE = 8


def send_all(uploads: Sequence[Upload], store: Store, progress: Progress) -> None:
    """Send files that never change: many small ones at once, the others one after the other.

    Raises StoreError, and ConflictError where another publisher was faster.
    """
    small = [upload for upload in uploads if upload.size <= _SMALL]
    # The first goes alone: a store is tried out at the first write, and that once.
    crowd = small[1:] if len(small) >= _MANY else []
    together = {upload.name for upload in crowd}
    for upload in uploads:
        if upload.name not in together:
            send(upload, store, progress)
    if crowd:
        progress.start(f"sending {len(crowd)} small files", total=len(crowd))
        _send_at_once(crowd, store, progress)
        progress.finish()


def send(upload: Upload, store: Store, progress: Progress) -> None:
    """Send one file, and make sure that it arrived: the store shows it, or it is read back."""
    progress.start(f"sending {upload.name}", total=upload.size)
    receipt = store.write(upload, progress.advance)
    progress.finish()
    if receipt is None or upload.name not in receipt.shown([receipt]):
        _read_back(upload, store, progress)


def _read_back(upload: Upload, store: Store, progress: Progress) -> None:
    with store.read(upload.name) as stored:
        if stored and holds(stored, upload, "reading back", progress):
            return
    raise StoreError(
        f"{store.locate(upload.name)} does not hold what was sent",
        why=f"it should be {upload.size} bytes with the SHA-256 {upload.sha256}, and is not; "
        "files after it were not sent",
        hint="delete that file; look for what changes files on their way (a proxy, a second "
        "publisher, a bad disk); then run the same command again",
    )


def holds(stored: Stored, upload: Upload, verb: str, progress: Progress) -> bool:
    """Tell whether a stored file has the bytes of `upload`; reads it only where its length fits."""
    return (
        stored.size == upload.size
        and hash_of(f"{verb} {upload.name}", stored, progress) == upload.sha256
    )


def hash_of(what: str, stored: Stored, progress: Progress) -> str:
    """Give the SHA-256 of a stored file; `what` names the work."""
    progress.start(what, total=stored.size)
    digest = hashlib.sha256()
    for chunk in stored.chunks:
        digest.update(chunk)
        progress.advance(len(chunk))
    progress.finish()
    return digest.hexdigest()


def _send_at_once(uploads: Sequence[Upload], store: Store, progress: Progress) -> None:
    receipts: list[Receipt] = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        futures = [pool.submit(_send_quietly, upload, store) for upload in uploads]
        try:
            for future in as_completed(futures):
                receipt = future.result()
                receipts += [receipt] if receipt else []
                progress.advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    shown = receipts[0].shown(receipts) if receipts else frozenset()
    for receipt in receipts:
        if receipt.upload.name not in shown:
            _read_back(receipt.upload, store, Silent())


def _send_quietly(upload: Upload, store: Store) -> Receipt | None:
    """Send one file; where the store gives no receipt, it is read back."""
    receipt = store.write(upload, lambda _: None)
    if receipt is None:
        _read_back(upload, store, Silent())
    return receipt
