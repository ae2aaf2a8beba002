"""Small real tarballs, written as `toolkit release` writes them."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

from toolkit.artifact import Artifact, checksum_file, checksum_line


def write_release(
    dist: Path, artifact: Artifact, content: bytes = b"print('hello')\n", *, latest: bool = True
) -> str:
    """Write the tarball of `artifact` with one file of `content` in it; return its SHA-256."""
    dist.mkdir(parents=True, exist_ok=True)
    data = tarball(content)
    sha256 = hashlib.sha256(data).hexdigest()
    for name in (artifact.tarball, *((artifact.latest,) if latest else ())):
        (dist / name).write_bytes(data)
        (dist / checksum_file(name)).write_text(checksum_line(sha256, name), encoding="ascii")
    return sha256


def tarball(content: bytes) -> bytes:
    """Return a .tar.gz with the file agent.py."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        member = tarfile.TarInfo("agent.py")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return gzip.compress(inner.getvalue(), mtime=0)
