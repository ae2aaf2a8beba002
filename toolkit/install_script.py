"""Gathers what an install script trusts: a store's root, or the hashes of a built release."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from toolkit import engine
from toolkit.artifact import Artifact, checksum_file
from toolkit.errors import ConfigError, IntegrityError, NotFoundError
from toolkit.host.errors import BadMetadata
from toolkit.host.roots import parse_root, unreadable_roles
from toolkit.render import InstallScript, RenderedFile, Tarball, install_script
from toolkit.spec import AgentSpec


@dataclass(frozen=True)
class Presign:
    """Gives signed addresses, by file name, that work until `until`."""

    sign: Callable[[Sequence[str]], Mapping[str, str]]
    until: datetime


@dataclass(frozen=True)
class Choices:
    """What the caller chooses for one script; `url` is where hosts fetch the release.

    With a `root`, the bytes of the store's root metadata, hosts verify what the store offers;
    then a `channel` may say which version. With `presign`, which goes without a root, the script
    carries signed addresses, and `url` may be empty.
    """

    url: str
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    label: str = ""
    generated: str = ""
    root: bytes | None = None
    channel: str = ""
    presign: Presign | None = None


def render_for(spec: AgentSpec, dist: Path, choices: Choices) -> RenderedFile:
    """Render the install script of `spec`.

    Without a root it pins the release that was built into `dist`, and raises NotFoundError
    where none was. Raises ConfigError for a channel without a root, for signed addresses with
    one, and for a root whose keys hosts can't verify with; IntegrityError where the root is none.
    """
    if choices.presign is not None and (choices.root is not None or choices.channel):
        raise ConfigError(
            "a script with signed addresses can't follow signed metadata",
            why="metadata files get other names with each release, so no address holds for long",
            hint="leave out --presign, and let each host send a header: run the script with "
            "STORE_HEADER_FILE=FILE (docs/stores.md)",
        )
    if choices.root is None and choices.channel:
        raise ConfigError(
            f"a script for the channel {choices.channel} needs the store's root metadata",
            why="a channel is a pointer that moves, and without signatures anybody may move it",
            hint="name the root by --root, or leave --channel out to pin this version",
        )
    agentctl = engine.build()
    script = InstallScript(
        store=choices.url.rstrip("/"),
        tarballs=() if choices.root is not None else built_tarballs(spec, dist),
        agentctl=agentctl.name,
        agentctl_sha256=agentctl.sha256,
        root="" if choices.root is None else readable(choices.root),
    )
    if choices.presign is not None:
        script = _presigned(script, choices.presign)
    rest = {name: getattr(choices, name) for name in ("settings", "label", "generated", "channel")}
    return install_script(spec, dataclasses.replace(script, **rest))


def _presigned(script: InstallScript, presign: Presign) -> InstallScript:
    signed = presign.sign([script.agentctl, *(each.file for each in script.tarballs)])
    address = signed[script.agentctl]
    until = presign.until.isoformat(timespec="minutes")
    if "X-Amz-Security-Token=" in address:
        until += ", or the end of the temporary credentials that signed it, if that comes first"
    return dataclasses.replace(
        script,
        store=address.partition("?")[0].rpartition("/")[0],
        tarballs=tuple(
            dataclasses.replace(each, address=signed[each.file]) for each in script.tarballs
        ),
        agentctl_address=address,
        until=until,
    )


def readable(root: bytes) -> str:
    """Check the root as hosts do, and lay it out for people: its signatures hold all the same.

    Raises IntegrityError where it is none, ConfigError where hosts can't verify with its keys.
    """
    try:
        unreadable = unreadable_roles(parse_root(root))
    except BadMetadata as error:
        raise IntegrityError(
            "the root metadata can't be put into a script", why=error.message, hint=error.hint
        ) from error
    if unreadable:
        raise ConfigError(
            f"hosts could not verify the metadata of {', '.join(unreadable)}",
            why="agentctl verifies Ed25519 signatures alone, and too few keys are of that kind",
            hint="give these roles Ed25519 keys",
        )
    return json.dumps(json.loads(root), indent=1, sort_keys=True)


def built_tarballs(spec: AgentSpec, dist: Path) -> tuple[Tarball, ...]:
    """Give the tarballs of `spec` that were built into `dist`; raises NotFoundError for none."""
    tarballs = tuple(_built(spec, dist))
    if not tarballs:
        raise NotFoundError(
            f"{spec.name} {spec.release_version} is not in {dist}",
            why="an install script pins the SHA-256 of the tarballs, so they must be built first",
            hint=f"run `toolkit release {spec.name}`",
        )
    return tarballs


def _built(spec: AgentSpec, dist: Path) -> Iterator[Tarball]:
    for platform in (None, *spec.platforms):
        tarball = Artifact(spec.name, spec.release_version, platform).tarball
        checksum = dist / checksum_file(tarball)
        if checksum.is_file():
            yield Tarball(platform, tarball, checksum.read_text("ascii").split()[0])
