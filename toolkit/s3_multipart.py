"""Sends a large file in equal parts, several at once, and goes on where a killed run stopped.

boto3's own transfer takes no conditions and forgets what it has sent. Here each part is read,
sent and dropped, so the memory needed is that of the parts under way, whatever the file's size.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import ClientError

from toolkit.journal_file import JournalFile, hold
from toolkit.s3_bucket import PARALLEL, Bucket, read_slice
from toolkit.s3_faults import is_gone
from toolkit.s3_parts import Journal, Part, cut, dump_journal, holds, parse_journal, part_size
from toolkit.store import Sent
from toolkit.uploads import Upload

Etags = Mapping[int, str]


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
        parts = list(cut(self._upload.size, self._wanted.part))
        sent(sum(part.length for part in parts if part.number in etags))
        missing = [part for part in parts if part.number not in etags]
        with ThreadPoolExecutor(PARALLEL) as pool:
            futures = {pool.submit(self._send, part): part for part in missing}
            try:
                for future in as_completed(futures):
                    etags[futures[future].number] = future.result()
                    sent(futures[future].length)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return etags

    def complete(self, etags: Etags, condition: Mapping[str, Any]) -> None:
        """Make the parts a file, where `condition` holds."""
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)
        ]
        self._bucket.client.complete_multipart_upload(
            **self._opened, MultipartUpload={"Parts": parts}, **condition
        )
        self._journal.remove()

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
        wanted = {part.number: part for part in cut(self._upload.size, self._wanted.part)}
        pages = self._bucket.client.get_paginator("list_parts").paginate(**self._opened)
        try:
            listed = [part for page in pages for part in page.get("Parts", [])]
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return {
            part["PartNumber"]: part["ETag"]
            for part in listed
            if part["PartNumber"] in wanted
            and part["Size"] == wanted[part["PartNumber"]].length
            and holds(part["ETag"], self._read(wanted[part["PartNumber"]]))
        }

    def _send(self, part: Part) -> str:
        data = self._read(part)
        answer = self._bucket.client.upload_part(
            **self._opened, PartNumber=part.number, Body=data, **self._bucket.proof(data)
        )
        return answer["ETag"]

    def _read(self, part: Part) -> bytes:
        data = read_slice(self._upload.body, part.start, part.length)
        if len(data) != part.length:
            raise OSError(f"{self._upload.name} became shorter while it was sent")
        return data


def _place(upload: Upload, bucket: Bucket) -> str:
    return f"{bucket.config.endpoint or ''} {bucket.locate(upload.name)}"


def _journal_file(upload: Upload, bucket: Bucket) -> Path | None:
    """Name the file, beside the one to send, that remembers where it goes and how far it is."""
    if isinstance(upload.body, bytes):
        return None
    place = sha256(_place(upload, bucket).encode()).hexdigest()[:8]
    return upload.body.with_name(f".{upload.name}.{place}.upload")
