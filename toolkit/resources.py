"""Where the files stand that are no Python: templates/, the examples in release/,
and what is sent to hosts from plugins/.

In a checkout they stand at its top; the wheel carries them in toolkit/_data/.
"""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import NotFoundError

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Give the folder of data files called `name`, such as templates."""
    return next(
        folder for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name) if folder.is_dir()
    )


def collection() -> Path | None:
    """Give the checkout that is the collection aiwm.toolkit, or None where this is no checkout."""
    top = _PACKAGE.parent
    return top if (top / "galaxy.yml").is_file() else None


def door() -> str:
    """Give the program that takes an order on a host, and calls agentctl there."""
    return (data_folder("plugins") / "module_utils" / "agentctl.py").read_text(encoding="utf-8")


def probe(name: str) -> str:
    """Give the text of a module of toolkit.probe, to be run on a host."""
    return (_PACKAGE / "probe" / f"{name}.py").read_text(encoding="ascii")


def agent_file(name: str, project: Path) -> Path:
    """Find release/NAME.toml in `project`, else among the examples that come with toolkit.

    Raises NotFoundError with the names that there are.
    """
    folders = [project / "release", data_folder("release")]
    for folder in folders:
        file = folder / f"{name}.toml"
        if file.is_file():
            return file
    known = sorted({file.stem for folder in folders for file in folder.glob("*.toml")})
    raise NotFoundError(
        f"there is no agent called {name!r}",
        why=f"neither {folders[0]} nor the examples of toolkit have a {name}.toml",
        hint=f"name one of {', '.join(known)}, or write one with `toolkit init`",
    )
