"""The names that a release's files have, in release/dist/ and in every store."""

from __future__ import annotations

from dataclasses import dataclass

LATEST = "latest"


@dataclass(frozen=True)
class Artifact:
    """A tarball of one release; `platform` is None where the bytes fit every platform."""

    name: str
    version: str
    platform: str | None

    @property
    def tarball(self) -> str:
        """The immutable file: `NAME-vVERSION[-PLATFORM].tar.gz`."""
        return self._file(f"v{self.version}")

    @property
    def latest(self) -> str:
        """The same bytes for people with wget: `NAME-latest[-PLATFORM].tar.gz`."""
        return self._file(LATEST)

    @property
    def zstd(self) -> str:
        """The same tar, smaller: `NAME-vVERSION[-PLATFORM].tar.zst`."""
        return f"{self.stem}.tar.zst"

    @property
    def sbom(self) -> str:
        """The packages in it, as CycloneDX."""
        return f"{self.stem}.cdx.json"

    @property
    def provenance(self) -> str:
        """What it was built from, as an in-toto statement."""
        return f"{self.stem}.intoto.json"

    @property
    def description(self) -> str:
        """The sizes and hashes of the tar and of the files beside it."""
        return f"{self.stem}.release.json"

    @property
    def stem(self) -> str:
        """What the names of all files of this version begin with."""
        return self.tarball.removesuffix(".tar.gz")

    def delta(self, base: str) -> str:
        """Name what turns the tar of the version `base` into this one."""
        return f"{self.stem}.from-v{base}.tar.zst"

    def _file(self, version: str) -> str:
        platform = f"-{self.platform}" if self.platform else ""
        return f"{self.name}-{version}{platform}.tar.gz"


def checksum_file(tarball: str) -> str:
    """Name the file that holds the SHA-256 of `tarball`."""
    return f"{tarball}.sha256"


def checksum_line(sha256: str, tarball: str) -> str:
    """Give the content of a checksum file, as `sha256sum -c` reads it."""
    return f"{sha256}  {tarball}\n"
