"""What users get as the collection: built and installed by ansible-galaxy itself."""

from __future__ import annotations

from pathlib import Path

from tests.support.ansible import install_collection

PARTS = {
    *("meta", "playbooks", "plugins", "roles", "docs"),
    *("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md", "FILES.json", "MANIFEST.json"),
}


def test_it_has_the_ansible_side_and_nothing_else(tmp_path: Path) -> None:
    place = install_collection(tmp_path) / "ansible_collections" / "aiwm" / "toolkit"
    assert {each.name for each in place.iterdir()} == PARTS
    (built,) = (tmp_path / "built").iterdir()
    assert built.stat().st_size < 1_000_000
