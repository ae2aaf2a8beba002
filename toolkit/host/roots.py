"""Root metadata: is it one, and do two of them belong to one line?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toolkit.host._vendor.tuf.api.exceptions import RepositoryError
from toolkit.host._vendor.tuf.api.metadata import Metadata, Root
from toolkit.host._vendor.tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from toolkit.host._vendor.tuf.ngclient.config import EnvelopeType
from toolkit.host.errors import BadMetadata, OtherRoot
from toolkit.host.signatures import verify_once

ED25519 = "ed25519"
DISTRUST = "do not install from this store before you know why"
verify_once()


def parse_root(data: bytes) -> Metadata[Root]:
    """Read root metadata that is signed as it says itself; raises BadMetadata."""
    try:
        TrustedMetadataSet(data, EnvelopeType.METADATA)
        return Metadata[Root].from_bytes(data)
    except RepositoryError as error:
        raise BadMetadata(
            f"the given root is no root metadata that its own keys signed: {error}",
            hint="take the root.json of those who publish",
        ) from error


def unreadable_roles(root: Metadata[Root]) -> list[str]:
    """Name the top-level roles whose signatures no host can verify: too few Ed25519 keys."""
    keys = root.signed.keys
    return [
        name
        for name, role in sorted(root.signed.roles.items())
        if sum(keys[key].scheme == ED25519 for key in role.keyids if key in keys) < role.threshold
    ]


def check_line(
    given: bytes, trusted: Mapping[int, bytes], fetch: Callable[[int], bytes], remove: str
) -> None:
    """Refuse a given root that is not of one line with the trusted ones.

    `trusted` are this host's roots by version, the newest among them;
    `fetch` gives a version as the store has it; `remove` is the folder to remove for another
    line. Raises OtherRoot.
    """
    root = parse_root(given).signed.version
    newest = max(trusted)
    if root > newest:
        raise OtherRoot(
            f"this host trusts version {newest} of the store's root, and nothing in the store "
            f"leads from there to the given version {root}",
            hint=f"check that script and store belong together; {DISTRUST}",
        )
    meeting = min(version for version in trusted if version >= root)
    followed = _follow(given, meeting, fetch)
    if parse_root(followed).signed_bytes != parse_root(trusted[meeting]).signed_bytes:
        raise OtherRoot(
            f"the given root is not the one that this host trusts: they differ in version "
            f"{meeting}",
            hint="check where the script comes from; if the service has moved to other keys for "
            f"good, remove {remove} and run it again",
        )


def _follow(given: bytes, version: int, fetch: Callable[[int], bytes]) -> bytes:
    """Follow the store's line from the given root to `version`, each step verified."""
    chain = TrustedMetadataSet(given, EnvelopeType.METADATA)
    data = given
    try:
        while chain.root.version < version:
            data = fetch(chain.root.version + 1)
            chain.update_root(data)
    except RepositoryError as error:
        raise OtherRoot(
            f"the given root does not lead to the one that this host trusts: {error}",
            hint=f"check where the script comes from; {DISTRUST}",
        ) from error
    return data
