"""What a store is: the model of toolkit.toml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from toolkit.trust_config import TrustConfig

R2_HOST = ".r2.cloudflarestorage.com"


def _prefix(value: str) -> str:
    value = value.strip("/")
    parts = value.split("/") if value else []
    if not all(re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", part) for part in parts):
        raise ValueError("folders such as agents/prod: letters, digits, '.', '_' and '-'")
    return value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s?#]", value):
        raise ValueError("a URL such as https://cdn.example.com")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    if urlsplit(_url(value)).path not in {"", "/"}:
        raise ValueError("the address of the service alone, without the bucket or another path")
    return _url(value)


Prefix = Annotated[str, AfterValidator(_prefix)]
Url = Annotated[str, AfterValidator(_url)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Bucket = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
StoreName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
Acl = Literal["private", "public-read", "bucket-owner-full-control"]
ReadBack = Literal["checksum", "full"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Store(_Model):
    """What all stores share. The public address is built from `url` and `prefix` alone."""

    prefix: Prefix = Field(default="", description="the folder in the store for all files")
    url: Url | None = Field(
        default=None, description="the address of the store's root, as hosts reach it"
    )

    @model_validator(mode="after")
    def _prefix_stands_once(self) -> Self:
        tail = f"/{self.prefix}"
        if self.prefix and self.url and self.url.endswith(tail) and not self._root_ends_with(tail):
            root = self.url.removesuffix(tail)
            raise ValueError(f"url = {root!r}, the store's root: the prefix {self.prefix} is added")
        return self

    def _root_ends_with(self, tail: str) -> bool:
        """Whether the address of the store's root may itself end like the prefix."""
        del tail
        return False

    def key(self, name: str) -> str:
        """Give the place of the file `name` below the store's root."""
        return f"{self.prefix}/{name}" if self.prefix else name

    @property
    def base_url(self) -> str | None:
        """The address that hosts put a file's name behind; None where it is not known."""
        return f"{self.url}/{self.prefix}".rstrip("/") if self.url else None

    def file_url(self, name: str) -> str | None:
        """Give the address under which hosts fetch the file `name`."""
        return f"{self.base_url}/{name}" if self.base_url else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before this store is used."""
        return ()


class DirectoryConfig(_Store):
    """A folder of this machine, which a web server serves."""

    type: Literal["directory"]
    path: str = Field(min_length=1, description="the folder, from the one of toolkit.toml")


class S3Config(_Store):
    """A bucket of Amazon S3, Cloudflare R2, MinIO or another service that speaks S3."""

    type: Literal["s3"]
    bucket: Bucket = Field(description="the bucket's name")
    endpoint: Endpoint | None = Field(
        default=None, description="the service's address; without it, Amazon S3"
    )
    region: str | None = Field(
        default=None, min_length=1, description="the bucket's region, such as eu-west-1"
    )
    path_style: bool | None = Field(
        default=None,
        description="whether the bucket stands in the URL's path and not in its host name;"
        " by default it does where there is an endpoint",
    )
    acl: Acl | None = Field(
        default=None, description="a canned ACL for each file, where the service knows them"
    )
    profile: str | None = Field(
        default=None, min_length=1, description="a profile of ~/.aws/config"
    )
    read_back: ReadBack = Field(
        default="checksum",
        description="how it is made sure that a file arrived: by the SHA-256 that the store"
        " compares, where it was seen to do so, or always by reading it all",
    )

    @field_validator("endpoint")
    @classmethod
    def _bucket_stands_once(cls, endpoint: str | None, info: ValidationInfo) -> str | None:
        bucket = info.data.get("bucket")
        if endpoint and bucket and (urlsplit(endpoint).hostname or "").startswith(f"{bucket}."):
            raise ValueError(f"the address of the service, without the bucket {bucket} in front")
        return endpoint

    def _root_ends_with(self, tail: str) -> bool:
        return tail == f"/{self.bucket}"

    @property
    def is_r2(self) -> bool:
        """Whether the bucket is one of Cloudflare R2."""
        return (urlsplit(self.endpoint or "").hostname or "").endswith(R2_HOST)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say that R2 has no ACLs, where one is set."""
        if self.acl and self.is_r2:
            return (
                f"acl = {self.acl!r} is ignored: R2 has no ACLs; "
                "make the bucket public by a custom domain",
            )
        return ()


class CustomConfig(_Store):
    """A store that a person fills by hand: toolkit says what to copy where."""

    type: Literal["custom"]


StoreConfig = DirectoryConfig | S3Config | CustomConfig


class ToolkitFile(_Model):
    """A toolkit.toml: the stores by name, and which one is meant when none is named."""

    stores: dict[StoreName, Annotated[StoreConfig, Field(discriminator="type")]] = {}
    default_store: StoreName | None = None
    trust: TrustConfig | None = None

    @field_validator("default_store")
    @classmethod
    def _default_is_known(cls, name: str | None, info: ValidationInfo) -> str | None:
        stores = info.data.get("stores")
        if name and stores is not None and name not in stores:
            raise ValueError(f"one of the stores here: {', '.join(stores) or 'there is none'}")
        return name
