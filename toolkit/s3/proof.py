"""Makes sure that a bucket holds what was sent, without reading all of it again.

The store compares the bytes of each request with the SHA-256 that is signed with it, and refuses
others; whether it does was tried out. What is left to show is that those bytes now stand under the
file's name: its ETag, its length, and a piece of it say so.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from os.path import commonprefix

from toolkit.s3.bucket import Bucket, explained, read_slice
from toolkit.store import Receipt
from toolkit.uploads import Upload

_PIECE = 64 * 1024


def shown(bucket: Bucket, receipts: Sequence[Receipt]) -> frozenset[str]:
    """Give the names of the files that are there as the store received them.

    A list tells of many at once. A piece is read of one of them, which one is chosen at random.
    """
    if len(receipts) > 1:
        listed = _listed(bucket, [one.upload.name for one in receipts])
        receipts = [one for one in receipts if listed.get(one.upload.name) == _mark(one)]
    if not receipts or not _piece_fits(bucket, secrets.choice(receipts)):
        return frozenset()
    return frozenset(one.upload.name for one in receipts)


def etag_of_source(bucket: Bucket, upload: Upload) -> str | None:
    """Give the ETag of what a file was copied from in the store, which says what the copy is."""
    source = bucket.look(upload.same_as) if upload.same_as else None
    if source is None or (source.size, source.sha256) != (upload.size, upload.sha256):
        return None
    return source.etag


def _mark(receipt: Receipt) -> tuple[str, int]:
    return receipt.etag.strip('"'), receipt.upload.size


def _listed(bucket: Bucket, names: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Give the ETag and the length in bytes of each file whose name starts as all these do."""
    own = len(bucket.config.key(""))
    prefix = commonprefix(names)  # noqa: RUF071 - names, not paths
    with explained(bucket.config, f"list {bucket.locate(prefix)}"):
        pages = bucket.client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket.config.bucket, Prefix=bucket.config.key(prefix)
        )
        return {
            entry["Key"][own:]: (entry["ETag"].strip('"'), entry["Size"])
            for page in pages
            for entry in page.get("Contents", [])
        }


def _piece_fits(bucket: Bucket, receipt: Receipt) -> bool:
    """Read a piece from a random place, and compare it with the file on this machine."""
    upload = receipt.upload
    length = min(_PIECE, upload.size)
    if not length:
        return False
    start = secrets.randbelow(upload.size - length + 1)
    piece = bucket.direct.piece(upload.name, start, length)
    return (
        piece is not None
        and (piece.etag.strip('"'), piece.size) == _mark(receipt)
        and piece.sha256 == upload.sha256
        and piece.data == read_slice(upload.body, start, length)
    )
