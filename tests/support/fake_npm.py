"""A stand-in for npm that knows no registry: `ci` lays out what a lock names, `sbom` lists it.

Each call leaves a word in the file `calls` beside it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit.sources import npm


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have releases built by the stand-in, and put it first on PATH."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(npm, "program", lambda: (str(program),))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def ci(cpu: str) -> None:
    """Write each package of the lock, its `files` and its `bin` links, for one CPU."""
    packages = json.loads(Path("package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if not path or cpu not in package.get("cpu", cpu):
            continue
        for name, text in {"package.json": "{}", **package.get("files", {})}.items():
            _write(Path(path, name), text)
        for name, target in package.get("bin", {}).items():
            link = Path("node_modules", ".bin", name)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(Path("..", Path(path).name, target))
    _write(Path("node_modules", ".package-lock.json"), str(Path.cwd()))
    _write(Path("node_modules", ".cache", "x"), str(Path.cwd()))


def lock() -> None:
    """Write a lock for package.json, with addresses, keeping what an old lock has."""
    package = json.loads(Path("package.json").read_text())
    file = Path("package-lock.json")
    packages = json.loads(file.read_text())["packages"] if file.exists() else {}
    wanted = package.get("dependencies", {}) | package.get("optionalDependencies", {})
    for name, version in wanted.items():
        address = f"https://registry.example/{name}-{version}.tgz"
        new = {"version": version, "resolved": address, "integrity": "sha512-x"}
        packages.setdefault(f"node_modules/{name}", new)
    file.write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))


def sbom() -> dict[str, Any]:
    """List as CycloneDX what the lock names."""
    packages = json.loads(Path("package-lock.json").read_text())["packages"]
    top = {"bom-ref": "top", "purl": "pkg:npm/top@0.0.0"}
    rows = [
        {
            "bom-ref": path,
            "name": Path(path).name,
            "version": package.get("version", "0"),
            "purl": f"pkg:npm/{Path(path).name}@{package.get('version', '0')}",
        }
        for path, package in packages.items()
        if path
    ]
    links = [{"ref": "top", "dependsOn": [row["bom-ref"] for row in rows]}]
    return {"metadata": {"component": top}, "components": rows, "dependencies": links}


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    words = sys.argv[1:]
    with Path(os.environ["PATH"].split(os.pathsep)[0], "calls").open("a") as calls:
        calls.write(f"{words[0]}\n")
    if words[0] == "sbom":
        sys.stdout.write(json.dumps(sbom()))
    elif words[0] == "ci":
        ci(next(word for word in words if word.startswith("--cpu=")).removeprefix("--cpu="))
    else:
        lock()
