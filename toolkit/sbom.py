"""The packages in a release, as a CycloneDX 1.6 document.

The document comes from the packages alone: no time, no place, and a serial number that is
made from its content. It says nothing of where packages were fetched from.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.artifact import Artifact

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component

_SERIALS = uuid.UUID("9a7d63a4-3f0b-5a0e-9d5c-2a4f6f9c1b7e")
_ALGORITHMS = {"sha256": "SHA-256", "sha512": "SHA-512"}


@dataclass(frozen=True)
class Package:
    """A package in a release; `purl` names it: https://github.com/package-url/purl-spec.

    `hashes` are pairs of algorithm (SHA-256) and hex digits of what was fetched, `license`
    an SPDX expression or a name, `needs` the purls of packages that it depends on. `direct`
    says that the agent itself, or its runtime, asks for it.
    """

    purl: str
    name: str
    version: str
    hashes: tuple[tuple[str, str], ...] = ()
    license: str = ""
    needs: tuple[str, ...] = ()
    direct: bool = True


def pypi_package(name: str, version: str, hashes: Iterable[str], license_: str) -> Package:
    """Give a package of the Python index; `hashes` are as pip writes them: sha256:0a1b..."""
    pairs = (hash_.split(":", 1) for hash_ in hashes)
    known = tuple(sorted((_ALGORITHMS[kind], value) for kind, value in pairs))
    return Package(f"pkg:pypi/{name}@{version}", name, version, known, license_)


def npm_packages(text: str) -> tuple[Package, ...]:
    """Read what `npm sbom --sbom-format cyclonedx` says; raises ValueError or KeyError."""
    data = json.loads(text)
    rows: list[Mapping[str, Any]] = data["components"]
    purls = {row["bom-ref"]: _bare(row["purl"]) for row in rows}
    needs = {row["ref"]: row.get("dependsOn", []) for row in data["dependencies"]}
    direct = set(needs.get(data["metadata"]["component"]["bom-ref"], ()))
    return tuple(
        Package(
            purls[row["bom-ref"]],
            row["name"],
            row["version"],
            tuple(sorted((hash_["alg"], hash_["content"]) for hash_ in row.get("hashes", ()))),
            _license(row.get("licenses", ())),
            tuple(sorted({purls[ref] for ref in needs.get(row["bom-ref"], ()) if ref in purls})),
            row["bom-ref"] in direct,
        )
        for row in rows
    )


def _bare(purl: str) -> str:
    """Take qualifiers off, which may say where the package was fetched from."""
    return purl.split("?", 1)[0].split("#", 1)[0]


def _license(rows: Iterable[Mapping[str, Any]]) -> str:
    names = [row.get("expression") or _name(row.get("license", {})) for row in rows]
    return " AND ".join(name for name in names if name)


def _name(row: Mapping[str, str]) -> str:
    return row.get("id") or row.get("name", "")


def document(artifact: Artifact, title: str, packages: Iterable[Package]) -> str:
    """Give the CycloneDX document, in JSON, of a release that holds `packages`."""
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - slow to import

    data = json.loads(JsonV1Dot6(_bom(artifact, title, _merged(packages))).output_as_string())
    del data["serialNumber"], data["metadata"]["timestamp"]
    content = json.dumps(data, sort_keys=True)
    data["serialNumber"] = f"urn:uuid:{uuid.uuid5(_SERIALS, content)}"
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def _merged(packages: Iterable[Package]) -> dict[str, Package]:
    """Give one package for each purl: an agent and its runtime may share some."""
    merged: dict[str, Package] = {}
    for package in sorted(packages, key=lambda package: package.purl):
        other = merged.get(package.purl, package)
        merged[package.purl] = Package(
            package.purl,
            package.name,
            package.version,
            tuple(sorted({*package.hashes, *other.hashes})),
            package.license or other.license,
            tuple(sorted({*package.needs, *other.needs})),
            package.direct or other.direct,
        )
    return merged


def _bom(artifact: Artifact, title: str, packages: Mapping[str, Package]) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    components = {purl: _component(package) for purl, package in packages.items()}
    agent = Component(
        name=artifact.name,
        version=artifact.version,
        type=ComponentType.APPLICATION,
        description=title,
        bom_ref=f"{artifact.name}@{artifact.version}",
    )
    bom = Bom(components=components.values(), metadata=BomMetaData(component=agent))
    bom.register_dependency(agent, [components[p.purl] for p in packages.values() if p.direct])
    for purl, package in packages.items():
        bom.register_dependency(
            components[purl], [components[need] for need in package.needs if need in components]
        )
    return bom


def _component(package: Package) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415
    from cyclonedx.model.component import Component  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    return Component(
        name=package.name,
        version=package.version,
        bom_ref=package.purl,
        purl=PackageURL.from_string(package.purl),
        hashes=[HashType(alg=HashAlgorithm(kind), content=sum_) for kind, sum_ in package.hashes],
        licenses=[LicenseFactory().make_from_string(package.license)] if package.license else [],
    )
