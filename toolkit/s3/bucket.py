"""A bucket and the client that speaks to it: what all work on S3 shares."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from toolkit import __version__
from toolkit.errors import IntegrityError, StoreError
from toolkit.s3.direct import Direct
from toolkit.s3.faults import explain, is_missing
from toolkit.store import Entry
from toolkit.store_config import S3Config
from toolkit.uploads import Upload

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PARALLEL = 4
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_TRIES = 4
_OK = 200
_FAULTS = (BotoCoreError, ClientError)
_WhenChecksums = Literal["when_required", "when_supported"]


@dataclass(frozen=True)
class Bucket:
    """A bucket as toolkit.toml describes it, and the client that reaches it.

    `known` is empty until the bucket was seen to be there. From then on, what is asked for often
    goes by the short way of `direct`.
    """

    config: S3Config
    client: S3Client
    direct: Direct
    known: set[bool] = field(default_factory=set, compare=False)

    def at(self, name: str) -> dict[str, Any]:
        """Give the arguments that name the file `name` in a call of boto3."""
        return {"Bucket": self.config.bucket, "Key": self.config.key(name)}

    def locate(self, name: str) -> str:
        """Give the file's s3:// address."""
        return f"s3://{self.config.bucket}/{self.config.key(name)}"

    @property
    def is_encrypted(self) -> bool:
        """Whether the way to the store is TLS, where boto3 does not sign the bytes sent."""
        return not (self.config.endpoint or "").startswith("http:")

    def proof(self, data: bytes) -> dict[str, Any]:
        """Give the argument that lets the store refuse `data` where it arrives changed.

        Over TLS, boto3 does not sign the bytes; without it, it does, and that is proof enough.
        """
        if not self.is_encrypted:
            return {}
        digest = md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode("ascii")}

    def headers(self, upload: Upload) -> dict[str, Any]:
        """Give the arguments for what is stored beside the bytes; a copy needs them too."""
        headers: dict[str, Any] = {
            "ContentType": upload.content_type,
            "CacheControl": upload.cache_control,
            "Metadata": {"sha256": upload.sha256},
        }
        if self.config.acl and not self.config.is_r2:
            headers["ACL"] = self.config.acl
        return headers

    def look(self, name: str) -> Entry | None:
        """Give what stands beside the file `name`, without its bytes; None where there is none."""
        with explained(self.config, f"read {self.locate(name)}"):
            answer = self.direct.head(name) if self.known else None
            if answer is not None:
                return _entry(answer.headers) if answer.status_code == _OK else None
            try:
                head = self.client.head_object(**self.at(name))
            except ClientError as error:
                # The answer to HEAD has no body, so a missing bucket looks like a missing file
                # and a wrong key like a missing right: GET says which. Once is enough.
                if is_missing(error) and self.known:
                    return None
                entry = self._look_by_get(name)
                self.known.add(True)
                return entry
            self.known.add(True)
            return Entry(head["ContentLength"], head["ETag"], head["Metadata"].get("sha256"))

    def _look_by_get(self, name: str) -> Entry | None:
        try:
            answer = self.client.get_object(**self.at(name))
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        answer["Body"].close()
        return Entry(answer["ContentLength"], answer["ETag"], answer["Metadata"].get("sha256"))


def open_bucket(config: S3Config, *, checksums: _WhenChecksums = "when_required") -> Bucket:
    """Open a bucket. Credentials come by boto3's own chain: environment, profile, role.

    Args:
        config: the bucket.
        checksums: when boto3 adds checksums of its own. Other services than Amazon's refuse
            them, or store their framing as part of the file.
    """
    styles: dict[bool | None, Literal["auto", "path", "virtual"]] = {
        None: "auto",
        True: "path",
        False: "virtual",
    }
    settings = Config(
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        # Without it, boto3 signs addresses for some regions in a way that others refuse.
        signature_version="s3v4",
        s3={"addressing_style": styles[config.path_style]},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        max_pool_connections=2 * PARALLEL,
        user_agent_extra=f"toolkit/{__version__}",
    )
    with explained(config, "open"):
        # boto3 adds nothing to botocore that is needed here, and takes long to import.
        session = botocore.session.Session(profile=config.profile)
        client: Any = session.create_client(
            "s3",
            endpoint_url=config.endpoint,
            region_name=config.region or ("auto" if config.is_r2 else None),
            config=settings,
        )
        direct = Direct(config, client, session)
    return Bucket(config, client, direct)


def _entry(headers: Mapping[str, str]) -> Entry:
    size, etag = headers.get("Content-Length"), headers.get("ETag")
    return Entry(int(size or 0), etag or "", headers.get("x-amz-meta-sha256"))


@contextmanager
def explained(config: S3Config, what: str) -> Iterator[None]:
    """Turn what boto3 raises into a StoreError; `what` was tried, after "could not"."""
    try:
        yield
    except _FAULTS as error:
        raise explain(error, what, config) from error
    except OSError as error:
        raise StoreError(
            f"could not {what}",
            why=str(error),
            hint="look at the file on this machine, then run the same command again",
        ) from error


def require_same(upload: Upload, digest: str) -> None:
    """Raise IntegrityError where what was read of a file has another SHA-256 than was meant."""
    if digest != upload.sha256:
        raise IntegrityError(
            f"{upload.name} changed while it was sent",
            why=f"its SHA-256 is {digest}, and was {upload.sha256}; it was not published",
            hint="build it again, and run the same command once nothing writes to it",
        )


def read_slice(body: Path | bytes, start: int, length: int) -> bytes:
    """Give `length` bytes of `body` from `start` on."""
    if isinstance(body, bytes):
        return body[start : start + length]
    with body.open("rb") as file:
        file.seek(start)
        return file.read(length)
