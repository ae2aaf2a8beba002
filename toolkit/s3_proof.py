"""Makes sure that a bucket holds what was sent, without reading all of it again.

The store compares the bytes of each request with the SHA-256 that is signed with it, and refuses
others; whether it does was tried out. What is left to show is that those bytes now stand under the
file's name: its ETag, its length, the SHA-256 beside it, and a piece of it say so.
"""

from __future__ import annotations

import secrets

from toolkit.s3_bucket import Bucket, read_slice
from toolkit.uploads import Upload

_PIECE = 64 * 1024


def shows(bucket: Bucket, upload: Upload, etag: str) -> bool:
    """Tell whether the file in the bucket is the one that the store received with this ETag.

    A piece from a random place is read and compared with the file on this machine.
    """
    length = min(_PIECE, upload.size)
    if not length or not etag:
        return False
    start = secrets.randbelow(upload.size - length + 1)
    piece = bucket.direct.piece(upload.name, start, length)
    return (
        piece is not None
        and piece.etag.strip('"') == etag.strip('"')
        and (piece.size, piece.sha256) == (upload.size, upload.sha256)
        and piece.data == read_slice(upload.body, start, length)
    )


def shows_copy(bucket: Bucket, upload: Upload) -> bool:
    """Tell whether a file that was copied in the store has the ETag of what it was copied from."""
    source = bucket.look(upload.same_as) if upload.same_as else None
    return (
        source is not None
        and (source.size, source.sha256) == (upload.size, upload.sha256)
        and shows(bucket, upload, source.etag)
    )
