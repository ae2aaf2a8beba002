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

    def _file(self, version: str) -> str:
        platform = f"-{self.platform}" if self.platform else ""
        return f"{self.name}-{version}{platform}.tar.gz"


def checksum_file(tarball: str) -> str:
    """Name the file that holds the SHA-256 of `tarball`."""
    return f"{tarball}.sha256"


def checksum_line(sha256: str, tarball: str) -> str:
    """Give the content of a checksum file, as `sha256sum -c` reads it."""
    return f"{sha256}  {tarball}\n"
