"""Turns what a bucket or boto3 says into what happened, why, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from botocore import exceptions as botocore
from botocore.exceptions import ClientError

from toolkit.errors import CredentialsError, StoreError
from toolkit.store_config import S3Config

_GIVE = (
    "give a key that may use the bucket: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
    "`profile` in toolkit.toml"
)
_RIGHTS = (
    "let the key do s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there (without "
    "ListBucket, a file that is not there yet looks forbidden)"
)
_RENEW = "log in again, or get new temporary credentials; AWS_SESSION_TOKEN belongs to them"
_AGAIN = "run the same command again; what has arrived is not sent again"
_REGION = "set `region` of the store in toolkit.toml (CDN_REGION) to the bucket's own"
_NETWORK = "look at `endpoint` in toolkit.toml (CDN_ENDPOINT), at the network and at its proxy"
_TRUST = "let AWS_CA_BUNDLE name the file of the CA that signed the store's certificate"


@dataclass(frozen=True)
class _Fault:
    kind: type[StoreError]
    why: str
    hint: str


_BY_CODE = {
    "InvalidAccessKeyId": _Fault(CredentialsError, "the store does not know the access key", _GIVE),
    "SignatureDoesNotMatch": _Fault(
        CredentialsError, "the secret key does not belong to the access key", _GIVE
    ),
    "Unauthorized": _Fault(CredentialsError, "the store does not accept the key", _GIVE),
    "ExpiredToken": _Fault(CredentialsError, "the credentials have expired", _RENEW),
    "InvalidToken": _Fault(CredentialsError, "the session token is not valid", _RENEW),
    "TokenRefreshRequired": _Fault(CredentialsError, "the credentials have expired", _RENEW),
    "AccessDenied": _Fault(CredentialsError, "the key may not do this", _RIGHTS),
    "NoSuchBucket": _Fault(
        StoreError,
        "there is no bucket of this name",
        "create the bucket, or mend `bucket` in toolkit.toml (CDN_BUCKET)",
    ),
    "PermanentRedirect": _Fault(StoreError, "the bucket is in another region", _REGION),
    "AuthorizationHeaderMalformed": _Fault(StoreError, "the bucket is in another region", _REGION),
    "RequestTimeTooSkewed": _Fault(
        StoreError, "the clock of this machine is wrong", "set the clock, then run it again"
    ),
    "AccessControlListNotSupported": _Fault(
        StoreError,
        "the bucket has ACLs switched off, as new ones of Amazon have",
        "take `acl` out of toolkit.toml, and make the bucket public by a bucket policy or a CDN",
    ),
    "QuotaExceeded": _Fault(StoreError, "the store is full", "make room in it, or raise its quota"),
}
_ALIKE = {
    "403": "AccessDenied",
    "Forbidden": "AccessDenied",
    "401": "Unauthorized",
    "301": "PermanentRedirect",
    "RequestExpired": "ExpiredToken",
    "ExpiredTokenException": "ExpiredToken",
    "IllegalLocationConstraintException": "PermanentRedirect",
    "XMinioStorageFull": "QuotaExceeded",
    "507": "QuotaExceeded",
}
_NO_CREDENTIALS = (
    botocore.NoCredentialsError,
    botocore.PartialCredentialsError,
    botocore.CredentialRetrievalError,
    botocore.ProfileNotFound,
)
_EXPIRED = (botocore.SSOError, botocore.UnauthorizedSSOTokenError, botocore.TokenRetrievalError)
_UNREACHABLE = (botocore.HTTPClientError, botocore.EndpointConnectionError)


def is_missing(error: ClientError) -> bool:
    """Tell whether the store says that there is no such file (and not: no such bucket)."""
    return _code(error) in {"NoSuchKey", "404"}


def is_conflict(error: ClientError) -> bool:
    """Tell whether the store says that a precondition of a write does not hold."""
    return _code(error) in {"PreconditionFailed", "412", "ConditionalRequestConflict"}


def is_unsupported(error: ClientError) -> bool:
    """Tell whether the store says that it does not know what was asked for."""
    return _code(error) in {"NotImplemented", "501", "InvalidArgument", "InvalidRequest", "400"}


def is_gone(error: ClientError) -> bool:
    """Tell whether the store says that a multipart upload is not open, or not any more."""
    return _code(error) == "NoSuchUpload"


def explain(error: Exception, what: str, config: S3Config) -> StoreError:
    """Give the error to raise for one of boto3's.

    Args:
        error: what boto3 raised.
        what: what was tried, after "could not".
        config: the store.
    """
    fault = _fault(error, config)
    return fault.kind(f"could not {what}", why=fault.why, hint=fault.hint)


def _fault(error: Exception, config: S3Config) -> _Fault:
    place = f"{config.bucket} at {config.endpoint or 'Amazon S3'}"
    if isinstance(error, ClientError):
        return _said_by_the_store(error, place)
    if isinstance(error, _NO_CREDENTIALS):
        return _Fault(CredentialsError, f"{place}: {error}", _GIVE)
    if isinstance(error, _EXPIRED):
        return _Fault(CredentialsError, f"{place}: {error}", _RENEW)
    if isinstance(error, botocore.SSLError):
        return _Fault(StoreError, f"{place}: its certificate is not trusted: {error}", _TRUST)
    if isinstance(error, _UNREACHABLE):
        return _Fault(StoreError, f"{place}: {error}", _NETWORK)
    return _Fault(StoreError, f"{place}: {error}", _AGAIN)


def _said_by_the_store(error: ClientError, place: str) -> _Fault:
    code = _code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message") or "it gave no reason"
    said = f"{place} answered {status} {code}: {message}"
    known = _BY_CODE.get(_ALIKE.get(code, code))
    if known:
        return _Fault(known.kind, f"{known.why} ({said})", known.hint)
    return _Fault(StoreError, said, _AGAIN if status >= 500 else f"look at what it says; {_AGAIN}")


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")
