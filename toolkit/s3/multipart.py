"""Sends a large file in equal parts, several at once, and goes on where a killed run stopped.

boto3's own transfer takes no conditions and forgets what it has sent. Here each part is read,
sent and dropped, so the memory needed is that of the parts under way, whatever the file's size.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from toolkit.errors import IntegrityError
from toolkit.journal_file import JournalFile, hold
from toolkit.s3.bucket import PARALLEL, Bucket, require_same
from toolkit.s3.direct import PartOf
from toolkit.s3.faults import is_gone
from toolkit.s3.parts import (
    Journal,
    Part,
    cut,
    dump_journal,
    holds,
    of_parts,
    parse_journal,
    part_size,
)
from toolkit.store import Sent
from toolkit.uploads import Upload

Etags = Mapping[int, str]
# While as many as go at once are sent, one more is read.
_AHEAD = PARALLEL + 1


@dataclass(frozen=True, eq=False)
class _Read:
    """A part that was read, and the memory that it stands in."""

    part: Part
    data: memoryview
    buffer: bytearray


class Multipart:
    """The multipart upload of one file: open it or find it again, fill it, complete or drop it."""

    def __init__(self, bucket: Bucket, upload: Upload, journal: JournalFile) -> None:
        self._bucket = bucket
        self._upload = upload
        headers = bucket.headers(upload)
        self._wanted = Journal(
            place=_place(upload, bucket),
            upload_id="",
            sha256=upload.sha256,
            size=upload.size,
            part=part_size(upload.size),
            headers=json.dumps(headers, sort_keys=True),
        )
        self._journal = journal
        self._opened: dict[str, Any] = {}
        self._spare: list[bytearray] = []
        # Parts that arrived without a SHA-256 that the store could compare.
        self._unproven: set[int] = set()

    @classmethod
    @contextmanager
    def begin(cls, bucket: Bucket, upload: Upload) -> Iterator[Self]:
        """Hold the journal of this upload, so that no other process works on the same one."""
        with hold(_journal_file(upload, bucket)) as journal:
            yield cls(bucket, upload, journal)

    def send(self, sent: Sent) -> Etags:
        """Send the parts that the store lacks, and give the ETags of all.

        An interruption leaves the upload open: `send` of a later run goes on with it.
        """
        etags = dict(self._resume())
        parts = cut(self._upload.size, self._wanted.part)
        sent(sum(part.length for part in parts if part.number in etags))
        whole = sha256()
        with ThreadPoolExecutor(PARALLEL) as pool:
            under_way: dict[Future[str], _Read] = {}
            try:
                for read in self._read_all():
                    if read.part.number in etags:
                        self._spare.append(read.buffer)
                    else:
                        under_way[pool.submit(self._send, read)] = read
                    whole.update(read.data)
                    if len(under_way) == _AHEAD:
                        etags |= self._reap(under_way, sent, FIRST_COMPLETED)
                etags |= self._reap(under_way, sent, ALL_COMPLETED)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        try:
            require_same(self._upload, whole.hexdigest())
        except IntegrityError:
            self.drop()
            raise
        return etags

    def complete(self, etags: Etags, condition: Mapping[str, Any]) -> str | None:
        """Make the parts a file, where `condition` holds.

        Gives the ETag that the file has now if it is made of these parts. None where that can't
        be foreseen, or the store was not told the SHA-256 of each part.
        """
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)
        ]
        self._bucket.client.complete_multipart_upload(
            **self._opened, MultipartUpload={"Parts": parts}, **condition
        )
        self._journal.remove()
        # What the answer says of it is not asked: Ceph says nothing.
        return None if self._unproven else of_parts([etags[number] for number in sorted(etags)])

    def drop(self) -> None:
        """Remove the parts: they are not wanted any more."""
        with contextlib.suppress(ClientError):
            self._bucket.client.abort_multipart_upload(**self._opened)
        self._journal.remove()

    def _resume(self) -> Etags:
        """Open the upload, or find the one that was left open; give the parts that it has."""
        at = self._bucket.at(self._upload.name)
        known = parse_journal(self._journal.read())
        if known is not None:
            self._opened = {**at, "UploadId": known.upload_id}
            there = self._there() if known.fits(self._wanted) else None
            if there is not None:
                return there
            self.drop()
        opened = self._bucket.client.create_multipart_upload(
            **at, **self._bucket.headers(self._upload)
        )
        self._opened = {**at, "UploadId": opened["UploadId"]}
        self._journal.write(dump_journal(replace(self._wanted, upload_id=opened["UploadId"])))
        return {}

    def _there(self) -> Etags | None:
        """Give the parts that arrived and are as they should be; None where nothing is open."""
        pages = self._bucket.client.get_paginator("list_parts").paginate(**self._opened)
        try:
            listed = [part for page in pages for part in page.get("Parts", [])]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        found = {(part["PartNumber"], part["Size"]): part["ETag"] for part in listed}
        there = {}
        for read in self._read_all():
            etag = found.get((read.part.number, read.part.length))
            if etag is not None and holds(etag, read.data):
                there[read.part.number] = etag
            self._spare.append(read.buffer)
        return there

    def _send(self, read: _Read) -> str:
        place = PartOf(self._opened["UploadId"], read.part.number)
        digest = sha256(read.data).hexdigest()
        etag = self._bucket.direct.put_part(self._upload.name, place, read.data, digest)
        if etag:
            return etag
        self._unproven.add(read.part.number)
        body = bytes(read.data)
        answer = self._bucket.client.upload_part(
            **self._opened, PartNumber=read.part.number, Body=body, **self._bucket.proof(body)
        )
        return answer["ETag"]

    def _reap(self, under_way: dict[Future[str], _Read], sent: Sent, until: str) -> dict[int, str]:
        """Wait for parts, and give the ETags of those that arrived; their buffers are free."""
        etags = {}
        for future in wait(under_way, return_when=until).done:
            read = under_way.pop(future)
            etags[read.part.number] = future.result()
            self._spare.append(read.buffer)
            sent(read.part.length)
        return etags

    def _read_all(self) -> Iterator[_Read]:
        """Read part after part, each into memory that is spare: new memory costs as much time as
        the reading does."""
        body = self._upload.body
        parts = cut(self._upload.size, self._wanted.part)
        if isinstance(body, bytes):
            for part in parts:
                data = memoryview(body)[part.start : part.start + part.length]
                yield _Read(part, data, bytearray())
            return
        with body.open("rb") as file:
            for part in parts:
                buffer = self._spare.pop() if self._spare else bytearray(self._wanted.part)
                data = memoryview(buffer)[: part.length]
                if file.readinto(data) != part.length:
                    raise OSError(f"{self._upload.name} became shorter while it was sent")
                yield _Read(part, data, buffer)


def _place(upload: Upload, bucket: Bucket) -> str:
    return f"{bucket.config.endpoint or ''} {bucket.locate(upload.name)}"


def _journal_file(upload: Upload, bucket: Bucket) -> Path | None:
    """Name the file, beside the one to send, that remembers where it goes and how far it is."""
    if isinstance(upload.body, bytes):
        return None
    place = sha256(_place(upload, bucket).encode()).hexdigest()[:8]
    return upload.body.with_name(f".{upload.name}.{place}.upload")
