"""A bucket as a store: Amazon S3, Cloudflare R2, MinIO and others that speak S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from botocore.exceptions import ClientError

from toolkit.errors import ConflictError, StoreError
from toolkit.s3.abilities import Abilities, Answer
from toolkit.s3.bucket import explained, open_bucket, read_slice, require_same
from toolkit.s3.copying import copy
from toolkit.s3.direct import Opened
from toolkit.s3.faults import is_conflict, is_gone, is_missing
from toolkit.s3.multipart import Etags, Multipart
from toolkit.s3.parts import MIB
from toolkit.s3.proof import etag_of_source, shown
from toolkit.store import CHUNK, Entry, Receipt, Sent, Stored, conflict, hidden
from toolkit.store_config import S3Config
from toolkit.uploads import Absent, Precondition, Unchanged, Upload, of_bytes

# From this length on, a file goes in parts.
LARGE = 32 * MIB
# Marks by which publishers of one large file keep out of each other's way.
RESERVED = ".toolkit/reserved/"


class S3Store:
    """A bucket. Credentials come by boto3's own chain: environment, profile, role.

    With `allow_races`, a bucket that honours no conditions is written to all the same, after a
    look at what it holds: safe while nobody else publishes there in the same moment.
    """

    def __init__(self, config: S3Config, *, allow_races: bool = False) -> None:
        self._config = config
        self._allow_races = allow_races
        self._bucket = open_bucket(config)
        self._client = self._bucket.client
        self._abilities = Abilities(self._bucket)

    def locate(self, name: str) -> str:
        """Give the file's s3:// address."""
        return self._bucket.locate(name)

    def look(self, name: str) -> Entry | None:
        """Give what stands beside the file `name`."""
        return self._bucket.look(name)

    @contextmanager
    def read(self, name: str) -> Iterator[Stored | None]:
        """Open the file `name`."""
        answer = self._get(name)
        if answer is None:
            yield None
            return
        try:
            yield Stored(answer.size, self._chunks(name, answer), answer.etag)
        finally:
            answer.body.close()

    def write(self, upload: Upload, sent: Sent) -> Receipt | None:
        """Send one file: by a copy in the store, in one piece, or in equal parts."""
        with explained(self._config, f"write {self.locate(upload.name)}"):
            if upload.only_if is None and copy(self._bucket, upload):
                sent(upload.size)
                etag = etag_of_source(self._bucket, upload)
            elif upload.size >= LARGE and not isinstance(upload.only_if, Unchanged):
                etag = self._send_parts(upload, sent)
            else:
                etag = self._put(upload)
                sent(upload.size)
        if etag is None or self._config.read_back == "full":
            return None
        return Receipt(upload, etag, self._shown)

    def delete(self, name: str) -> None:
        """Remove the file `name`."""
        # One by one: a request for several needs a checksum that not every service takes.
        with explained(self._config, f"delete {self.locate(name)}"):
            self._client.delete_object(**self._bucket.at(name))

    def names(self, prefix: str = "") -> frozenset[str]:
        """Give the names of all files that start with `prefix`."""
        own = len(self._config.key(""))
        with explained(self._config, f"list {self.locate(prefix)}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._config.bucket, Prefix=self._config.key(prefix)
            )
            found = {entry["Key"][own:] for page in pages for entry in page.get("Contents", [])}
        self._bucket.known.add(True)
        return frozenset(name for name in found if not hidden(name))

    def _shown(self, receipts: Sequence[Receipt]) -> frozenset[str]:
        """Tell which files are there as they were received, on a store that compares SHA-256s."""
        in_parts = any(one.upload.size >= LARGE for one in receipts)
        tried = self._abilities
        if not (tried.compares_sha256_of_parts if in_parts else tried.compares_sha256):
            return frozenset()
        return shown(self._bucket, receipts)

    def _put(self, upload: Upload) -> str | None:
        """Give the file's ETag where the store was told its SHA-256."""
        condition = self._put_condition(upload.name, upload.only_if)
        data = read_slice(upload.body, 0, upload.size)
        settings = {**self._bucket.headers(upload), **condition}
        if self._bucket.known:
            etag = self._bucket.direct.put(upload.name, settings, data, upload.sha256)
            if etag is not None:
                return etag
        # The short way is told the SHA-256 that was meant; the client would sign whatever it gets.
        require_same(upload, sha256(data).hexdigest())
        try:
            self._client.put_object(
                **self._bucket.at(upload.name),
                **settings,
                **self._bucket.proof(data),
                Body=data,
            )
        except ClientError as error:
            if not is_conflict(error) or upload.only_if is None:
                raise
            self._unless_it_arrived(upload, error)
        return None

    def _put_condition(self, name: str, only_if: Precondition | None) -> dict[str, Any]:
        """Give the arguments for the precondition in the words that this store honours."""
        match only_if:
            case None:
                return {}
            case Absent():
                if self._abilities.put_if_absent is Answer.HONOURED:
                    return {"IfNoneMatch": "*"}
            case Unchanged(etag):
                match self._abilities.put_if_match:
                    case Answer.HONOURED:
                        return {"IfMatch": etag}
                    case Answer.UNQUOTED:
                        return {"IfMatch": etag.strip('"')}
        self._look_instead(name, only_if)
        return {}

    def _look_instead(self, name: str, only_if: Precondition) -> None:
        """Compare now, on a store that would not compare while it writes."""
        if not self._allow_races:
            raise StoreError(
                f"{self._config.bucket} does not honour conditional writes",
                why="two publishers at once could overwrite each other's files there, and "
                "neither would know",
                hint="look at `toolkit doctor`; where only one publishes at a time, give "
                "--allow-races",
            )
        there = self.look(name)
        etag = there.etag if there else None
        if etag != (only_if.etag if isinstance(only_if, Unchanged) else None):
            raise conflict(self.locate(name), only_if)

    def _send_parts(self, upload: Upload, sent: Sent) -> str | None:
        """Give the file's ETag where the store was told the SHA-256 of each part."""
        self._require_conditions(upload)
        with Multipart.begin(self._bucket, upload) as multipart:
            etags = multipart.send(sent)
            try:
                with self._guard(upload) as condition:
                    return self._complete(upload, multipart, etags, condition)
            except ConflictError:
                multipart.drop()
                raise

    def _complete(
        self, upload: Upload, multipart: Multipart, etags: Etags, condition: Mapping[str, Any]
    ) -> str | None:
        try:
            return multipart.complete(etags, condition)
        except ClientError as error:
            if not (is_conflict(error) or is_gone(error)):
                raise
            # Where it is gone, an earlier try completed it, and its answer did not arrive.
            self._unless_it_arrived(upload, error)
            multipart.drop()
            return None

    def _require_conditions(self, upload: Upload) -> None:
        """Stop before gigabytes are sent in vain."""
        if upload.only_if and self._abilities.complete_if_absent is not Answer.HONOURED:
            self._put_condition(upload.name, upload.only_if)

    @contextmanager
    def _guard(self, upload: Upload) -> Iterator[dict[str, Any]]:
        """Keep two publishers from completing other bytes under one name."""
        if upload.only_if is None:
            yield {}
        elif self._abilities.complete_if_absent is Answer.HONOURED:
            yield {"IfNoneMatch": "*"}
        elif self._abilities.put_if_absent is Answer.HONOURED:
            with self._reserved(upload):
                yield {}
        else:
            self._look_instead(upload.name, upload.only_if)
            yield {}

    @contextmanager
    def _reserved(self, upload: Upload) -> Iterator[None]:
        """Hold the name while it is completed, on a store that would not compare by itself.

        The mark says for which bytes the name is held, so a killed run that starts again holds
        it still, and others with the same bytes may go on too. Who holds it looks once more: the
        file may have been completed, and the mark removed, since it was looked for last.
        """
        mark = of_bytes(f"{RESERVED}{upload.name}", upload.sha256.encode(), immutable=True)
        try:
            self._put(mark)
        except ConflictError as error:
            raise ConflictError(
                f"{self.locate(upload.name)} is held for other bytes",
                why="another publisher is about to complete it, or was killed then",
                hint=f"wait for the other; if there is none, delete {self.locate(mark.name)}",
            ) from error
        there = self.look(upload.name)
        if there is not None and there.sha256 != upload.sha256:
            self.delete(mark.name)
            raise conflict(self.locate(upload.name), Absent())
        yield
        self.delete(mark.name)

    def _unless_it_arrived(self, upload: Upload, error: ClientError) -> None:
        """Be content where the file stands there with these bytes: an earlier try arrived."""
        there = self.look(upload.name)
        if there is None or (there.size, there.sha256) != (upload.size, upload.sha256):
            raise conflict(self.locate(upload.name), upload.only_if or Absent()) from error

    def _get(self, name: str) -> Opened | None:
        with explained(self._config, f"read {self.locate(name)}"):
            opened = self._bucket.direct.get(name) if self._bucket.known else None
            if opened is not None:
                return opened
            try:
                answer = self._client.get_object(**self._bucket.at(name))
                return Opened(answer["ContentLength"], answer["ETag"], answer["Body"])
            except ClientError as error:
                if is_missing(error):
                    return None
                raise

    def _chunks(self, name: str, opened: Opened) -> Iterator[bytes]:
        chunks = opened.body.iter_chunks(CHUNK)
        while True:
            with explained(self._config, f"read {self.locate(name)}"):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def presign(config: S3Config, names: Iterable[str], seconds: int) -> dict[str, str]:
    """Give an address for each of `names` that works for that many seconds, without a key."""
    bucket = open_bucket(config)
    with explained(config, "sign addresses"):
        return {
            name: bucket.client.generate_presigned_url(
                "get_object", Params=bucket.at(name), ExpiresIn=seconds
            )
            for name in names
        }
