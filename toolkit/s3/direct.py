"""Sends the plain requests of many files without the work that botocore does around each.

botocore takes a tenth of a second of CPU for a hundred requests, and all threads share that. So
once a bucket was seen to be there, requests are signed by botocore's signer, sent over botocore's
connections, and nothing more. Whatever is not a plain success is asked again by the client, which
knows each fault, waits and tries again, and follows a bucket to its region.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody

from toolkit import __version__
from toolkit.store_config import S3Config

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.session import Session
    from types_boto3_s3.client import S3Client

_OK = 200
_PIECE = 206
_REFUSED = 400
_MISSING = 404
_CONDITION = 412
_BUSY = 500
# Services may say that they succeed, and then that they did not.
_ERROR = b"<Error"
_HEADERS = {
    "ContentType": "Content-Type",
    "CacheControl": "Cache-Control",
    "ACL": "x-amz-acl",
    "IfMatch": "If-Match",
    "IfNoneMatch": "If-None-Match",
}
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True)
class _Place:
    """The address of the store's prefix, and the region that requests to it are signed for."""

    url: str
    region: str


@dataclass(frozen=True)
class _Ask:
    """A request, and the statuses that answer it."""

    method: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | memoryview | None = None
    sha256: str = _NOTHING
    query: Mapping[str, str] = field(default_factory=dict)
    expected: frozenset[int] = frozenset({_OK})

    def at(self, place: _Place) -> AWSRequest:
        return AWSRequest(
            method=self.method,
            url=f"{place.url}{quote(self.name, safe='/~')}{self._query()}",
            headers={"User-Agent": f"toolkit/{__version__}", **self.headers},
            data=self.data,
            stream_output=self.method == "GET",
        )

    def _query(self) -> str:
        return f"?{urlencode(self.query, quote_via=quote)}" if self.query else ""


@dataclass(frozen=True)
class Opened:
    """A file that is open for reading: its length in bytes, its ETag, and its bytes."""

    size: int
    etag: str
    body: StreamingBody


@dataclass(frozen=True)
class Piece:
    """Some bytes of a file, and what stands beside it: its ETag, its whole length in bytes, and
    the SHA-256 that its publisher wrote there."""

    data: bytes
    etag: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class PartOf:
    """Where a part belongs: the upload that is open, and its number, counted from 1."""

    upload_id: str
    number: int

    @property
    def query(self) -> dict[str, str]:
        """The part's own words in the address."""
        return {"partNumber": str(self.number), "uploadId": self.upload_id}


class Direct:
    """The short way to a bucket; it closes for good where it leads to anything unforeseen."""

    def __init__(self, config: S3Config, client: S3Client, session: Session) -> None:
        self._config = config
        self._client = client
        self._session = session
        self._place: _Place | None = None
        self._is_closed = False

    def head(self, name: str) -> AWSResponse | None:
        """Ask what stands beside a file: 200 or 404; None where the client must ask."""
        return self._send(_Ask("HEAD", name, expected=frozenset({_OK, _MISSING})))

    def get(self, name: str) -> Opened | None:
        """Open a file; None where the client must do it. The caller closes it."""
        answer = self._send(_Ask("GET", name))
        if answer is None:
            return None
        size = int(answer.headers["Content-Length"])
        return Opened(size, answer.headers["ETag"], StreamingBody(answer.raw, size))

    def piece(self, name: str, start: int, length: int) -> Piece | None:
        """Read some bytes of a file; None where the store gives no piece of it."""
        limits = {"Range": f"bytes={start}-{start + length - 1}"}
        answer = self._send(_Ask("GET", name, limits, expected=frozenset({_OK, _PIECE})))
        if answer is None:
            return None
        if answer.status_code != _PIECE:
            answer.raw.close()
            return None
        headers = answer.headers
        try:
            data = StreamingBody(answer.raw, length).read()
        except BotoCoreError:
            return None
        size = headers.get("Content-Range", "").rpartition("/")[2]
        beside = headers.get("x-amz-meta-sha256")
        return Piece(data, headers.get("ETag", ""), int(size) if size.isdigit() else -1, beside)

    def put(
        self, name: str, settings: Mapping[str, Any], data: bytes | memoryview, sha256: str
    ) -> str | None:
        """Write a file and give its ETag; None where the client must do it.

        Args:
            name: the file's name.
            settings: headers and conditions, in the words of boto3's put_object.
            data: the bytes.
            sha256: what their SHA-256 should be. It is signed, so the store refuses other bytes.
        """
        headers = {_HEADERS[word]: value for word, value in settings.items() if word in _HEADERS}
        beside: Mapping[str, str] = settings.get("Metadata", {})
        headers |= {f"x-amz-meta-{word}": value for word, value in beside.items()}
        return _etag(self._send(_Ask("PUT", name, headers, data, sha256)))

    def put_part(self, name: str, part: PartOf, data: memoryview, sha256: str) -> str | None:
        """Write one part of a file and give its ETag; None where the client must do it."""
        return _etag(self._send(_Ask("PUT", name, {}, data, sha256, part.query)))

    def refuses(self, name: str, data: bytes, sha256: str, part: PartOf | None = None) -> bool:
        """Tell whether the store refuses bytes, with the status that other bytes deserve."""
        query = part.query if part else {}
        expected = frozenset({_OK, _REFUSED})
        answer = self._send(_Ask("PUT", name, {}, data, sha256, query, expected))
        return answer is not None and answer.status_code == _REFUSED

    def _send(self, ask: _Ask) -> AWSResponse | None:
        credentials = None if self._is_closed else self._session.get_credentials()
        if credentials is None:
            return None
        try:
            place = self._place = self._place or self._find()
            request = ask.at(place)
            _Signer(credentials.get_frozen_credentials(), place.region, ask.sha256).add_auth(
                request
            )
            answer: AWSResponse = _connections(self._client).send(request.prepare())
        except BotoCoreError:
            return None
        if answer.status_code in ask.expected:
            return answer
        answer.raw.close()
        # These can happen to any request. All else would happen to the next one too.
        happens = answer.status_code in {_MISSING, _CONDITION} or answer.status_code >= _BUSY
        self._is_closed = self._is_closed or not happens
        return None

    def _find(self) -> _Place:
        """Let botocore say where the bucket is reached: by path or by name, in which region."""
        at: Any = {"Bucket": self._config.bucket, "Key": self._config.key("x")}
        signed = urlsplit(self._client.generate_presigned_url("get_object", Params=at))
        scope = parse_qs(signed.query)["X-Amz-Credential"][0].split("/")
        base = signed.path.removesuffix("x")
        return _Place(f"{signed.scheme}://{signed.netloc}{base}", scope[-3])


def _etag(answer: AWSResponse | None) -> str | None:
    if answer is None or _ERROR in answer.content:
        return None
    return str(answer.headers.get("ETag", ""))


class _Signer(S3SigV4Auth):
    """Signs with a SHA-256 that is known already, over TLS too."""

    def __init__(self, credentials: Any, region: str, sha256: str) -> None:
        super().__init__(credentials, "s3", region)
        self._sha256 = sha256

    def payload(self, _request: AWSRequest) -> str:
        return self._sha256


def _connections(client: Any) -> Any:
    """Give the client's own connections, with its proxy, certificates and limits of time.

    Nothing public leads there.
    """
    return client._endpoint.http_session
