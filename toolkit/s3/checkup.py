"""Probes of a bucket: each writes nothing but files of its own, and takes them away again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from toolkit.findings import SCRATCH, Finding, bad, good, note
from toolkit.s3.abilities import Abilities, Answer
from toolkit.s3.bucket import Bucket, explained, open_bucket
from toolkit.s3.copying import copy
from toolkit.store_config import S3Config
from toolkit.uploads import Upload

_SKEW_SECONDS = 5 * 60
_STALE = timedelta(days=1)
_TAKEN = {Answer.HONOURED, Answer.UNQUOTED}


class S3Checkup:
    """The probes of one bucket, in the order in which they make sense.

    `scratch` is a file that is there while they run; `now` is this machine's time.
    """

    def __init__(self, config: S3Config, scratch: Upload, now: Callable[[], datetime]) -> None:
        self._config = config
        self._scratch = scratch
        self._now = now
        self._bucket = open_bucket(config)
        self._abilities = Abilities(self._bucket)
        self._client: Any = self._bucket.client

    def first(self) -> Iterator[Finding]:
        """Say whether the bucket can be reached with these credentials, where, and when."""
        with explained(self._config, f"list {self._bucket.locate('')}"):
            answer = self._client.list_objects_v2(
                Bucket=self._config.bucket, Prefix=self._config.key(SCRATCH), MaxKeys=1
            )
        yield good("reach", f"{self._config.endpoint or 'Amazon S3'} answers")
        yield good("credentials", f"they may list {self._bucket.locate('')}")
        yield self._region()
        yield _clock(answer["ResponseMetadata"]["HTTPHeaders"].get("date"), self._now())

    def probes(self) -> tuple[Callable[[], Finding], ...]:
        """Give the probes that need the scratch file."""
        return (
            self.headers,
            self.put_if_absent,
            self.complete_if_absent,
            self.put_if_match,
            self.acl,
            self.checksums,
            self.compares,
            self.copies,
            self.leftovers,
        )

    def _region(self) -> Finding:
        used = self._client.meta.region_name
        with explained(self._config, f"look at {self._config.bucket}"):
            head = self._client.head_bucket(Bucket=self._config.bucket)
        said = head["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region")
        if said is None or said == used:
            return good("region", f"{used} is taken")
        return note(
            "region",
            f"the bucket is in {said}, and {used} was taken",
            f"set region = {said!r} in toolkit.toml",
        )

    def headers(self) -> Finding:
        """Whether the store keeps what is said beside a file."""
        with explained(self._config, "read the scratch file"):
            head = self._client.head_object(**self._bucket.at(self._scratch.name))
        lost = [
            name
            for name, there, sent in (
                ("Content-Type", head["ContentType"], self._scratch.content_type),
                ("Cache-Control", head.get("CacheControl"), self._scratch.cache_control),
                ("x-amz-meta-sha256", head["Metadata"].get("sha256"), self._scratch.sha256),
            )
            if there != sent
        ]
        if not lost:
            return good("headers", "Content-Type, Cache-Control and SHA-256 are kept")
        return note(
            "headers",
            f"lost: {', '.join(lost)}",
            "without the SHA-256, toolkit reads each file to compare it; set the others in the CDN",
        )

    def put_if_absent(self) -> Finding:
        """Whether a put can be kept from replacing a file."""
        answer = self._abilities.put_if_absent
        if answer in _TAKEN:
            return good("If-None-Match on put", answer, "versioned files are never replaced")
        return bad(
            "If-None-Match on put",
            answer,
            "`toolkit upload` stops; with --allow-races it looks before it writes, which is safe "
            "while only one publishes at a time",
        )

    def complete_if_absent(self) -> Finding:
        """Whether completing a multipart upload can be kept from replacing a file."""
        probe, answer = "If-None-Match on complete", self._abilities.complete_if_absent
        if answer in _TAKEN:
            return good(probe, answer, "large versioned files are never replaced")
        if self._abilities.put_if_absent in _TAKEN:
            return note(
                probe,
                answer,
                "toolkit holds the name of a large file by a small mark of its own, put under a "
                "condition, and looks once more before it completes",
            )
        return bad(probe, answer, "as for If-None-Match on put")

    def put_if_match(self) -> Finding:
        """Whether a put can be kept from replacing what another publisher wrote."""
        probe, answer = "If-Match on put", self._abilities.put_if_match
        if answer is Answer.HONOURED:
            return good(probe, answer, "two publishers at once lose nothing")
        if answer is Answer.UNQUOTED:
            return note(
                probe, answer, "toolkit takes them off; two publishers at once lose nothing"
            )
        return bad(
            probe,
            answer,
            "signed metadata is not published; with --allow-races it is, safely while only one "
            "publishes at a time",
        )

    def acl(self) -> Finding:
        """Whether the store takes an ACL with a file."""
        wanted = self._config.acl or "private"
        name = f"{self._scratch.name}.acl"
        outcome = self._try_put(self._bucket, name, b"toolkit", ACL=wanted)
        if outcome is None:
            used = (
                "it is set on each file" if self._config.acl else "none is set, as none is wanted"
            )
            return good("ACL", f"{wanted} is taken", used)
        if self._config.acl and not self._config.is_r2:
            return bad("ACL", f"{wanted} is refused: {outcome}", "take `acl` out of toolkit.toml")
        return good("ACL", f"refused: {outcome}", "none is set; make the bucket public by a policy")

    def checksums(self) -> Finding:
        """Whether the store understands the checksums that boto3 adds by default."""
        if not self._bucket.is_encrypted:
            return good(
                "checksum trailers", "not tried: without TLS there are none", "none is sent"
            )
        adding = open_bucket(self._config, checksums="when_supported")
        outcome = self._try_put(adding, f"{self._scratch.name}.sum", b"toolkit", checked=b"toolkit")
        consequence = "none is sent: toolkit sends Content-MD5, which every store knows"
        if outcome is None:
            return good("checksum trailers", "understood", consequence)
        return good("checksum trailers", f"not understood: {outcome}", consequence)

    def compares(self) -> Finding:
        """Whether the store refuses other bytes than were signed."""
        probe = "SHA-256 of what is sent"
        tried = self._abilities
        if tried.compares_sha256 and tried.compares_sha256_of_parts:
            return good(probe, "compared", "ETag, length and a piece show what arrived")
        return note(probe, "not compared", "each file that was sent is read back in full")

    def copies(self) -> Finding:
        """Whether the store can give a file a second name."""
        name = f"{self._scratch.name}.copy"
        second = Upload(
            name,
            self._scratch.body,
            self._scratch.size,
            self._scratch.sha256,
            immutable=False,
            same_as=self._scratch.name,
        )
        with explained(self._config, "copy the scratch file"):
            try:
                done = copy(self._bucket, second)
            finally:
                self._client.delete_object(**self._bucket.at(name))
        if done:
            return good("copy", "done in the store", "`latest` is copied, and not sent again")
        return note("copy", "refused", "`latest` is sent again")

    def leftovers(self) -> Finding:
        """Remove what killed probes left, and name the uploads that were left open."""
        with explained(self._config, "list what was left"):
            self._sweep()
            listed = self._open_uploads("")
            old = [one for one in listed if self._now() - one["Initiated"] > _STALE]
        if not old:
            return good("open uploads", "none is older than a day")
        return note(
            "open uploads",
            f"{len(old)} are older than a day, such as {old[0]['Key']}",
            "they cost room: let a lifecycle rule (AbortIncompleteMultipartUpload) remove them",
        )

    def _sweep(self) -> None:
        """Take away the scratch files of probes that were killed more than a day ago."""
        bucket, before = self._config.bucket, self._now() - _STALE
        for one in self._open_uploads(SCRATCH):
            if one["Initiated"] < before:
                self._client.abort_multipart_upload(
                    Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"]
                )
        listed = self._client.list_objects_v2(Bucket=bucket, Prefix=self._config.key(SCRATCH))
        for file in listed.get("Contents", []):
            if file["LastModified"] < before:
                self._client.delete_object(Bucket=bucket, Key=file["Key"])

    def _open_uploads(self, prefix: str) -> list[Any]:
        answer = self._client.list_multipart_uploads(
            Bucket=self._config.bucket, Prefix=self._config.key(prefix)
        )
        return list(answer.get("Uploads", []))

    def _try_put(
        self, bucket: Bucket, name: str, data: bytes, checked: bytes | None = None, **more: Any
    ) -> str | None:
        """Put a file and take it away; give the fault that the store names, None without one."""
        client: Any = bucket.client
        with explained(self._config, "put a scratch file"):
            try:
                client.put_object(**bucket.at(name), Body=data, **more)
                if checked is None:
                    return None
                # Some stores take the framing of a checksum for a part of the file.
                there = self._client.get_object(**bucket.at(name))["Body"].read()
                return None if there == checked else "its framing was stored as part of the file"
            except ClientError as error:
                return str(error.response.get("Error", {}).get("Code", "it gave no reason"))
            finally:
                self._client.delete_object(**bucket.at(name))


def _clock(said: str | None, now: datetime) -> Finding:
    """Compare this machine's clock with the store's, which S3 signatures need to agree."""
    if said is None:
        return note("clock", "the store does not say its time", "")
    skew = (now - parsedate_to_datetime(said).astimezone(UTC)).total_seconds()
    if abs(skew) < _SKEW_SECONDS:
        return good("clock", f"{abs(skew):.0f} s apart")
    return note(
        "clock",
        f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the store",
        "set the clock of this machine: at 15 minutes, stores refuse what it signs",
    )
