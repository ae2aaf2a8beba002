"""Who vouches for what a release was built from: provenance is signed, and held against its keys.

It is signed where it goes up, since the agent's key is at hand there anyway; so a build needs no
key. An Ed25519 signature of the same statement always has the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from toolkit import provenance
from toolkit.dist import write_text
from toolkit.errors import IntegrityError, TrustError
from toolkit.repository import Signers, catalog_of
from toolkit.trust.model import Delegation, Repository
from toolkit.uploads import Upload, of_bytes

_SUFFIX = ".intoto.json"


def sign(signers: Signers, by: Delegation, uploads: Sequence[Upload]) -> tuple[Upload, ...]:
    """Sign the provenance among `uploads` by the keys `by`, in its file; gives what is to go up.

    What these keys have signed already stays as it is.

    Raises IntegrityError where a statement tells of other files than those of `uploads`.
    """
    files = {upload.name: upload.sha256 for upload in uploads}
    return tuple(
        _signed(signers, by, upload, files) if _is_provenance(upload) else upload
        for upload in uploads
    )


def unsigned(uploads: Sequence[Upload]) -> Iterator[str]:
    """Give the names of statements that `sign` would put into envelopes."""
    for upload in uploads:
        if _is_provenance(upload) and not provenance.enveloped(_text(upload)):
            yield upload.name


def check(file: Path, text: str, agent: str, repository: Repository) -> None:
    """Refuse provenance, the `text` read from `file`, that the agent's keys do not vouch for.

    They do by signing the statement; or, for one that a former key has signed, by naming the hash
    of its file in their metadata.

    Raises TrustError.
    """
    files = catalog_of(repository, agent).files.values()
    by = repository.delegation(agent)
    if not provenance.enveloped(text):
        raise TrustError(
            f"{file} is not signed",
            why="this project has keys, and anybody could have written this statement",
            hint="`toolkit upload` signs it; for a build that was not uploaded yet: --unsigned",
        )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    named = any(one.target.kind == "provenance" and one.sha256 == sha256 for one in files)
    if not named and not provenance.signed_by(text, by):
        keys = ", ".join(keyid[:12] for keyid in by.keys)
        raise TrustError(
            f"the signature of {file} does not verify",
            why=f"{by.threshold} of the keys of {agent} must have signed it ({keys}), and the "
            "store's metadata names no such file",
            hint="do not trust it before you know who wrote it; where the key was exchanged since, "
            "take the file from the store",
        )


def _signed(signers: Signers, by: Delegation, upload: Upload, files: Mapping[str, str]) -> Upload:
    text = _text(upload)
    told = provenance.parse(text).subjects
    if any(files.get(name) != sha256 for name, sha256 in told.items()):
        raise IntegrityError(
            f"{upload.name} tells of other files than those that are to go up",
            why=f"it names {', '.join(sorted(told)) or 'none'}",
            hint=f"run `toolkit release {by.role}` again, and keep what it writes together",
        )
    if not isinstance(upload.body, Path) or provenance.signed_by(text, by):
        return upload
    signed = provenance.envelope(provenance.bare(text), signers.signers(by))
    _keep(upload.body, signed)
    sent = of_bytes(upload.name, signed.encode(), immutable=True)
    return replace(sent, first_stays=upload.first_stays)


def _keep(file: Path, text: str) -> None:
    """Let the file beside the tarball be what goes up; a release may stand where nobody writes."""
    try:
        write_text(file, text)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise


def _is_provenance(upload: Upload) -> bool:
    return upload.name.endswith(_SUFFIX) and isinstance(upload.body, Path)


def _text(upload: Upload) -> str:
    return upload.body.read_text("utf-8") if isinstance(upload.body, Path) else ""
