"""A bucket as a store: Amazon S3, Cloudflare R2, MinIO and others that speak S3."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from toolkit import __version__
from toolkit.errors import StoreError
from toolkit.s3_faults import explain, is_conflict, is_missing
from toolkit.store import CHUNK, Sent, Stored, conflict, hidden, pieces
from toolkit.store_config import S3Config
from toolkit.uploads import Absent, Precondition, Upload

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_MIB = 1024 * 1024
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_TRIES = 4
# Parts are equal, as R2 wants them, and four of them are under way at once.
_TRANSFER = TransferConfig(
    multipart_threshold=64 * _MIB,
    multipart_chunksize=16 * _MIB,
    max_concurrency=4,
    preferred_transfer_client="classic",
)
_FAULTS = (BotoCoreError, ClientError, Boto3Error)


class S3Store:
    """A bucket. Credentials come by boto3's own chain: environment, profile, role."""

    def __init__(self, config: S3Config) -> None:
        self._config = config
        with self._explained("open"):
            self._client = _client(config)

    def locate(self, name: str) -> str:
        """Give the file's s3:// address."""
        return f"s3://{self._config.bucket}/{self._config.key(name)}"

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        """Open the file `name`."""
        answer = self._get(name)
        if answer is None:
            yield None
            return
        try:
            yield Stored(answer["ContentLength"], self._chunks(name, answer), answer["ETag"])
        finally:
            answer["Body"].close()

    def write(self, upload: Upload, sent: Sent) -> None:
        """Send one file: in one piece, or in equal parts where it is large."""
        if upload.only_if is not None:
            self._write_if(upload, upload.only_if, sent)
            return
        bucket, key = self._config.bucket, self._config.key(upload.name)
        with self._explained(f"write {self.locate(upload.name)}"):
            # A path, not an open file: boto3 then reads parts from the disk as it sends them.
            if isinstance(upload.body, Path):
                self._client.upload_file(
                    str(upload.body), bucket, key, self._headers(upload), sent, _TRANSFER
                )
            else:
                self._client.upload_fileobj(
                    io.BytesIO(upload.body), bucket, key, self._headers(upload), sent, _TRANSFER
                )

    def delete(self, name: str) -> None:
        """Remove the file `name`."""
        with self._explained(f"delete {self.locate(name)}"):
            self._client.delete_object(Bucket=self._config.bucket, Key=self._config.key(name))

    def names(self, prefix: str = "") -> frozenset[str]:
        """Give the names of all files that start with `prefix`."""
        own = len(self._config.key(""))
        with self._explained(f"list {self.locate(prefix)}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._config.bucket, Prefix=self._config.key(prefix)
            )
            found = (entry["Key"][own:] for page in pages for entry in page.get("Contents", []))
            return frozenset(name for name in found if not hidden(name))

    def _write_if(self, upload: Upload, only_if: Precondition, sent: Sent) -> None:
        place = self.locate(upload.name)
        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if isinstance(only_if, Absent) else {"IfMatch": only_if.etag}
        )
        with self._explained(f"write {place}"):
            try:
                self._client.put_object(
                    Bucket=self._config.bucket,
                    Key=self._config.key(upload.name),
                    Body=b"".join(pieces(upload.body)),
                    **condition,
                    **self._headers(upload),
                )
            except ClientError as error:
                if is_conflict(error):
                    raise conflict(place, only_if) from error
                raise
        sent(upload.size)

    def _headers(self, upload: Upload) -> dict[str, Any]:
        headers: dict[str, Any] = {
            "ContentType": upload.content_type,
            "CacheControl": upload.cache_control,
            "Metadata": {"sha256": upload.sha256},
        }
        if self._config.acl and not self._config.is_r2:
            headers["ACL"] = self._config.acl
        return headers

    def _get(self, name: str) -> GetObjectOutputTypeDef | None:
        # Not by HEAD: its answers have no body, so a missing bucket looks like a missing file
        # and a wrong key like a missing right.
        with self._explained(f"read {self.locate(name)}"):
            try:
                return self._client.get_object(
                    Bucket=self._config.bucket, Key=self._config.key(name)
                )
            except ClientError as error:
                if is_missing(error):
                    return None
                raise

    def _chunks(self, name: str, answer: GetObjectOutputTypeDef) -> Iterator[bytes]:
        chunks = answer["Body"].iter_chunks(CHUNK)
        while True:
            with self._explained(f"read {self.locate(name)}"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except _FAULTS as error:
            raise explain(error, what, self._config) from error
        except OSError as error:
            raise StoreError(
                f"could not {what}",
                why=str(error),
                hint="look at the file on this machine, then run the same command again",
            ) from error


def _client(config: S3Config) -> S3Client:
    styles: dict[bool | None, Literal["auto", "path", "virtual"]] = {
        None: "auto",
        True: "path",
        False: "virtual",
    }
    settings = Config(
        # Other services than Amazon's refuse the checksums that boto3 adds by itself.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": styles[config.path_style]},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        user_agent_extra=f"toolkit/{__version__}",
    )
    session = boto3.Session(profile_name=config.profile)
    return session.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region or ("auto" if config.is_r2 else None),
        config=settings,
    )
