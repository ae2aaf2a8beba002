"""Gives a file that a bucket has already a second name, without sending its bytes again."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from toolkit.s3.bucket import Bucket
from toolkit.s3.faults import is_unsupported
from toolkit.s3.parts import MIB, cut, part_size
from toolkit.uploads import Upload

# What S3 copies in one request at most; larger files are copied in parts.
LIMIT = 5 * 1024 * MIB
PART = 512 * MIB


def copy(bucket: Bucket, upload: Upload) -> bool:
    """Copy the file `upload.same_as` in the store; False where that can not be.

    A copy takes over no headers and no ACL: all are given anew.
    """
    if upload.same_as is None or not _is_there(bucket, upload, upload.same_as):
        return False
    try:
        if upload.size <= LIMIT:
            bucket.client.copy_object(
                **bucket.at(upload.name),
                **bucket.headers(upload),
                CopySource=_source(bucket, upload.same_as),
                MetadataDirective="REPLACE",
            )
        else:
            _copy_parts(bucket, upload, _source(bucket, upload.same_as))
    except ClientError as error:
        if is_unsupported(error):
            return False
        raise
    return True


def _is_there(bucket: Bucket, upload: Upload, name: str) -> bool:
    there = bucket.look(name)
    return there is not None and (there.size, there.sha256) == (upload.size, upload.sha256)


def _source(bucket: Bucket, name: str) -> Any:
    return bucket.at(name)


def _copy_parts(bucket: Bucket, upload: Upload, source: Any) -> None:
    client, at = bucket.client, bucket.at(upload.name)
    upload_id = client.create_multipart_upload(**at, **bucket.headers(upload))["UploadId"]
    opened = {**at, "UploadId": upload_id}
    try:
        parts: list[Any] = []
        for part in cut(upload.size, part_size(upload.size, PART)):
            copied = client.upload_part_copy(
                **opened,
                PartNumber=part.number,
                CopySource=source,
                CopySourceRange=f"bytes={part.start}-{part.start + part.length - 1}",
            )
            etag = copied["CopyPartResult"]["ETag"]
            parts.append({"PartNumber": part.number, "ETag": etag})
        client.complete_multipart_upload(**opened, MultipartUpload={"Parts": parts})
    except BaseException:
        client.abort_multipart_upload(**opened)
        raise
