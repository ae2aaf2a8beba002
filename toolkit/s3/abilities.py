"""Finds out, by harmless tries on files of its own, which conditions a bucket honours.

Services differ, and some ignore a condition without a word, so none is trusted untried:
Ceph 16 honours If-None-Match on a put and ignores it on completing a multipart upload; it
answers 412 to every If-Match whose ETag has the quotes that it gave it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError

from toolkit.findings import SCRATCH
from toolkit.s3.bucket import Bucket, explained
from toolkit.s3.direct import PartOf
from toolkit.s3.faults import is_conflict, is_unsupported

_OTHER_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
# Of equal length, so that only what is in them differs.
_DATA, _OTHER_DATA = b"toolkit", b"teapots"
_SHA256 = sha256(_DATA).hexdigest()


class Answer(StrEnum):
    """What a bucket does with a condition that does not hold."""

    HONOURED = "honoured"
    UNQUOTED = "honoured with the ETag's quotes taken off"
    IGNORED = "ignored"
    UNSUPPORTED = "refused as unknown"
    BROKEN = "refused although it holds"


class Abilities:
    """What a bucket can do; each is tried when it is first asked for."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @cached_property
    def put_if_absent(self) -> Answer:
        """If-None-Match: * on a put."""
        with self._scratch() as name:
            first = self._outcome(name, IfNoneMatch="*")
            if first is not None:
                return Answer.UNSUPPORTED if first == "unsupported" else Answer.BROKEN
            return _judge(self._outcome(name, IfNoneMatch="*"))

    @cached_property
    def put_if_match(self) -> Answer:
        """If-Match with an ETag on a put."""
        with self._scratch() as name:
            etag = str(self._bucket.client.put_object(**self._file(name))["ETag"])
            for answer, form in (
                (Answer.HONOURED, '"{}"'),
                (Answer.UNQUOTED, "{}"),
            ):
                outcome = self._outcome(name, IfMatch=form.format(etag.strip('"')))
                if outcome == "unsupported":
                    return Answer.UNSUPPORTED
                if outcome is None:
                    wrong = _judge(self._outcome(name, IfMatch=form.format(_OTHER_ETAG)))
                    return answer if wrong is Answer.HONOURED else wrong
            return Answer.BROKEN

    @cached_property
    def complete_if_absent(self) -> Answer:
        """If-None-Match: * on completing a multipart upload."""
        client: Any = self._bucket.client
        with self._scratch() as name:
            client.put_object(**self._file(name))
            at = self._bucket.at(name)
            opened = {**at, "UploadId": client.create_multipart_upload(**at)["UploadId"]}
            try:
                part = client.upload_part(**opened, PartNumber=1, Body=b"toolkit")
                parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                outcome = _outcome(
                    lambda: client.complete_multipart_upload(
                        **opened, MultipartUpload=parts, IfNoneMatch="*"
                    )
                )
                if outcome is None:
                    opened = {}
                return _judge(outcome)
            finally:
                if opened:
                    client.abort_multipart_upload(**opened)

    @cached_property
    def compares_sha256(self) -> bool:
        """Whether a put is refused where the bytes have another SHA-256 than was signed."""
        direct = self._bucket.direct
        with self._scratch() as name:
            return bool(direct.put(name, {}, _DATA, _SHA256)) and direct.refuses(
                name, _OTHER_DATA, _SHA256
            )

    @cached_property
    def compares_sha256_of_parts(self) -> bool:
        """The same for a part of a large file."""
        client: Any = self._bucket.client
        direct = self._bucket.direct
        with self._scratch() as name:
            at = self._bucket.at(name)
            upload_id = client.create_multipart_upload(**at)["UploadId"]
            part = PartOf(upload_id, 1)
            try:
                return bool(
                    direct.put_part(name, part, memoryview(_DATA), _SHA256)
                ) and direct.refuses(name, _OTHER_DATA, _SHA256, part)
            finally:
                client.abort_multipart_upload(**at, UploadId=upload_id)

    def _outcome(self, name: str, **condition: Any) -> str | None:
        return _outcome(lambda: self._bucket.client.put_object(**self._file(name), **condition))

    def _file(self, name: str) -> dict[str, Any]:
        return {**self._bucket.at(name), "Body": b"toolkit"}

    @contextmanager
    def _scratch(self) -> Iterator[str]:
        """Give a name that is nobody's; its file is gone at the end, also after Ctrl-C."""
        name = f"{SCRATCH}{secrets.token_hex(8)}"
        with explained(self._bucket.config, f"try out {self._bucket.locate(SCRATCH)}"):
            try:
                yield name
            finally:
                self._bucket.client.delete_object(**self._bucket.at(name))


def _outcome(call: Callable[[], object]) -> str | None:
    """Say how the store answered; None where it did what was asked."""
    try:
        call()
    except ClientError as error:
        if is_conflict(error):
            return "conflict"
        if is_unsupported(error):
            return "unsupported"
        raise
    return None


def _judge(outcome: str | None) -> Answer:
    """Judge the answer to a condition that did not hold."""
    if outcome is None:
        return Answer.IGNORED
    return Answer.HONOURED if outcome == "conflict" else Answer.UNSUPPORTED
