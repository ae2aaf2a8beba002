"""What a release was built from: SLSA provenance in an in-toto statement.

https://slsa.dev/spec/v1.0/provenance, https://github.com/in-toto/attestation (Statement v1),
https://github.com/secure-systems-lab/dsse. The statement names no time and no machine: the
same build gives the same bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.errors import IntegrityError

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Signer

    from toolkit.trust.model import Delegation

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
PAYLOAD = "application/vnd.in-toto+json"
BUILD = "urn:aiwm:toolkit:release:v1"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_BUILDER = "urn:aiwm:toolkit"


@dataclass(frozen=True)
class Origin:
    """What a release was built from.

    `locks` are the SHA-256 sums of lock files by their names from the project's top;
    `release_file` is the sum of release/NAME.toml where it stands in the project. `commit` is
    the full name of the git commit, `dirty` says that files differed from it, `path` leads
    from the repository's top to the project; `toolkit` is toolkit's version.
    """

    name: str
    version: str
    platform: str
    epoch: int
    toolkit: str
    source: str
    locks: Mapping[str, str]
    release_file: str | None = None
    commit: str | None = None
    dirty: bool = False
    path: str = ""


@dataclass(frozen=True)
class Provenance:
    """A statement that was read: its `subjects` are SHA-256 sums by file name."""

    origin: Origin
    subjects: Mapping[str, str]


def statement(origin: Origin, subjects: Mapping[str, str]) -> str:
    """Give the statement, in JSON, that the files of `subjects` come from `origin`."""
    return _dump(
        {
            "_type": STATEMENT,
            "subject": [
                {"name": name, "digest": {"sha256": sha256}}
                for name, sha256 in sorted(subjects.items())
            ],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD,
                    "externalParameters": {
                        "name": origin.name,
                        "version": origin.version,
                        "platform": origin.platform,
                        "epoch": origin.epoch,
                        "source": origin.source,
                    },
                    "internalParameters": {"dirty": origin.dirty, "path": origin.path},
                    "resolvedDependencies": _dependencies(origin),
                },
                "runDetails": {"builder": {"id": _BUILDER, "version": {"toolkit": origin.toolkit}}},
            },
        }
    )


def _dependencies(origin: Origin) -> list[dict[str, object]]:
    files = dict(origin.locks)
    if origin.release_file:
        files[_release_file(origin.name)] = origin.release_file
    rows: list[dict[str, object]] = [
        {"name": name, "digest": {"sha256": sha256}} for name, sha256 in sorted(files.items())
    ]
    if origin.commit:
        rows.append({"name": "commit", "digest": {"gitCommit": origin.commit}})
    return rows


def _release_file(name: str) -> str:
    return f"release/{name}.toml"


def envelope(text: str, signers: Iterable[Signer]) -> str:
    """Sign a statement: gives the DSSE envelope, in JSON."""
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - slow to import

    signed = Envelope(text.encode(), PAYLOAD, {})
    for signer in sorted(signers, key=lambda each: each.public_key.keyid):
        signed.sign(signer)
    return _dump(signed.to_dict())


def bare(text: str) -> str:
    """Give the statement itself, out of its envelope where it stands in one."""
    data = json.loads(text)
    return _envelope(data).payload.decode() if "payload" in data else text


def enveloped(text: str) -> bool:
    """Tell whether a statement that `parse` takes stands in an envelope."""
    return "payload" in json.loads(text)


def signed_by(text: str, delegation: Delegation) -> bool:
    """Tell whether enough keys of `delegation` have signed the envelope that `text` is."""
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415

    if not enveloped(text):
        return False
    try:
        _envelope(json.loads(text)).verify(list(delegation.keys.values()), delegation.threshold)
    except VerificationError:
        return False
    return True


def parse(text: str) -> Provenance:
    """Read a statement, in an envelope or bare; no signature is checked here.

    Raises IntegrityError where it is no provenance of a release.
    """
    try:
        data = json.loads(text)
        if "payload" in data:
            data = json.loads(_envelope(data).payload)
        if (data["_type"], data["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError(f"it is a {data['predicateType']}")
        definition = data["predicate"]["buildDefinition"]
        if definition["buildType"] != BUILD:
            raise ValueError(f"it is of the kind {definition['buildType']}")
        builder = data["predicate"]["runDetails"]["builder"]
        return Provenance(
            _origin(definition, builder["version"]["toolkit"]),
            {row["name"]: row["digest"]["sha256"] for row in data["subject"]},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError("this is no provenance of a release", why=repr(error)) from error


def _envelope(data: dict[str, Any]) -> Envelope:
    from securesystemslib.dsse import Envelope  # noqa: PLC0415

    read: Envelope = Envelope.from_dict(data)
    if read.payload_type != PAYLOAD:
        raise ValueError(f"it holds {read.payload_type}")
    return read


def _origin(definition: Mapping[str, Any], toolkit: str) -> Origin:
    parameters = definition["externalParameters"]
    digests = {row["name"]: row["digest"] for row in definition["resolvedDependencies"]}
    files = {name: digest["sha256"] for name, digest in digests.items() if "sha256" in digest}
    commit = digests.get("commit", {}).get("gitCommit")
    internal = definition["internalParameters"]
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise ValueError(f"{commit!r} is no commit")
    if internal["path"].startswith("/") or ".." in internal["path"].split("/"):
        raise ValueError(f"{internal['path']!r} is no path in a repository")
    return Origin(
        **parameters,
        toolkit=toolkit,
        release_file=files.pop(_release_file(parameters["name"]), None),
        locks=files,
        commit=commit,
        **internal,
    )


def _dump(data: object) -> str:
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
