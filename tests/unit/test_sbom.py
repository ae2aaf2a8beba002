"""The list of packages: CycloneDX by its schema, the same bytes each time, and no places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from toolkit.artifact import Artifact
from toolkit.requirements import parse_lock
from toolkit.sbom import Package, document, npm_packages, pypi_package

TOP = Path(__file__).parent.parent.parent
ARTIFACT = Artifact("agent", "1.2.0", "linux-x64")
SUM = "ab" * 32
NPM = {
    "serialNumber": "urn:uuid:1c49cf66-7679-4599-865f-7a8bdc3caef8",
    "metadata": {
        "timestamp": "2026-01-01T00:00:00Z",
        "component": {"bom-ref": "top@0.0.0", "name": "/tmp/build", "purl": "pkg:npm/top@0.0.0"},
    },
    "components": [
        {
            "bom-ref": "b@2.0.0",
            "name": "b",
            "version": "2.0.0",
            "purl": "pkg:npm/b@2.0.0?vcs_url=git+ssh://me@host.example/b",
            "licenses": [{"license": {"name": "Our own"}}],
            "externalReferences": [{"type": "distribution", "url": "https://registry.example/b"}],
            "description": "see registry.example",
        },
        {
            "bom-ref": "@s/a@1.0.0",
            "name": "@s/a",
            "version": "1.0.0",
            "purl": "pkg:npm/%40s/a@1.0.0",
            "hashes": [{"alg": "SHA-512", "content": "cd" * 64}],
            "licenses": [{"expression": "(MIT OR Apache-2.0)"}],
        },
    ],
    "dependencies": [
        {"ref": "top@0.0.0", "dependsOn": ["@s/a@1.0.0"]},
        {"ref": "@s/a@1.0.0", "dependsOn": ["b@2.0.0"]},
    ],
}


def valid(text: str) -> dict[str, Any]:
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert errors is None, errors
    data: dict[str, Any] = json.loads(text)
    return data


def test_packages_of_npm() -> None:
    text = document(ARTIFACT, "An agent", npm_packages(json.dumps(NPM)))
    data = valid(text)
    assert "registry.example" not in text
    assert "host.example" not in text
    assert "/tmp" not in text
    assert "timestamp" not in data["metadata"]
    assert [row["purl"] for row in data["components"]] == [
        "pkg:npm/%40s/a@1.0.0",
        "pkg:npm/b@2.0.0",
    ]
    assert {row["ref"]: row.get("dependsOn", []) for row in data["dependencies"]} == {
        "agent@1.2.0": ["pkg:npm/%40s/a@1.0.0"],
        "pkg:npm/%40s/a@1.0.0": ["pkg:npm/b@2.0.0"],
        "pkg:npm/b@2.0.0": [],
    }
    assert data["components"][0]["licenses"] == [{"expression": "(MIT OR Apache-2.0)"}]
    assert data["components"][1]["licenses"] == [{"license": {"name": "Our own"}}]


def test_packages_of_the_python_index() -> None:
    package = pypi_package("psutil", "7.0.0", [f"sha256:{SUM}"], "BSD-3-Clause")
    data = valid(document(ARTIFACT, "An agent", [package]))
    [row] = data["components"]
    assert row["purl"] == "pkg:pypi/psutil@7.0.0"
    assert row["hashes"] == [{"alg": "SHA-256", "content": SUM}]
    assert row["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]


def test_an_agent_without_packages() -> None:
    data = valid(document(ARTIFACT, "An agent", []))
    assert data["metadata"]["component"]["name"] == "agent"


def test_the_order_of_packages_does_not_matter_and_their_content_does() -> None:
    packages = npm_packages(json.dumps(NPM))
    text = document(ARTIFACT, "An agent", packages)
    assert document(ARTIFACT, "An agent", packages[::-1]) == text
    fewer = document(ARTIFACT, "An agent", packages[1:])
    assert valid(fewer)["serialNumber"] != valid(text)["serialNumber"]


def test_a_package_that_agent_and_runtime_share_stands_there_once() -> None:
    one = Package("pkg:npm/a@1", "a", "1", (("SHA-256", SUM),), "", ("pkg:npm/b@1",), direct=False)
    two = Package("pkg:npm/a@1", "a", "1", (), "MIT")
    data = valid(document(ARTIFACT, "An agent", [one, two]))
    [row] = data["components"]
    assert row["licenses"] == [{"license": {"id": "MIT"}}]
    assert row["hashes"]
    assert {"ref": "agent@1.2.0", "dependsOn": ["pkg:npm/a@1"]} in data["dependencies"]


def test_the_lock_of_the_example_is_valid() -> None:
    lock = TOP / "release" / "locks" / "glances" / "requirements.txt"
    pins = parse_lock(lock.read_text("utf-8"), file=lock.name)
    packages = [pypi_package(pin.name, pin.version, pin.hashes, "MIT") for pin in pins]
    assert len(valid(document(ARTIFACT, "Glances", packages))["components"]) == len(pins)


@pytest.mark.parametrize("text", ["{}", "[]", "no"])
def test_what_npm_does_not_say(text: str) -> None:
    with pytest.raises((KeyError, ValueError, TypeError)):
        npm_packages(text)
