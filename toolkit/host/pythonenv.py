"""Makes a Python release's virtual environment from the wheels that came with it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from toolkit.host import _vendor
from toolkit.host.commands import run
from toolkit.host.errors import Unsupported
from toolkit.host.release import PYTHONS, SYSTEM_PATH, VENV, WHEELS, Release

# The wheels' own paths and the interpreter's version, as the new environment sees them.
_PATHS = "import json, sysconfig; print(json.dumps(sysconfig.get_paths()))"


def choose_python(release: Release) -> tuple[str, str]:
    """Give the path and the minor version of the host's Python that fits the release.

    The system's own `python3` is taken where it fits. Raises Unsupported where none does.
    """
    fitting = PYTHONS[PYTHONS.index(release.runtime.version) :]
    candidates = ["python3", *(f"python{minor}" for minor in reversed(fitting))]
    for name in candidates:
        path = shutil.which(name, path=SYSTEM_PATH)
        minor = _minor(path) if path else None
        if path and minor in fitting:
            return path, str(minor)
    raise Unsupported(
        f"{release.name} needs CPython {fitting[0]} to {fitting[-1]}, and this host has none",
        hint=f"install one, such as: sudo apt-get install python{fitting[0]}",
    )


def _minor(python: str) -> str | None:
    script = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    implementation, minor = run([python, "-I", "-c", script]).split()
    return minor if implementation == "cpython" else None


def build_environment(release: Release, folder: Path) -> None:
    """Make `folder`/venv with the wheels for the host's Python; needs no network and no pip."""
    python, minor = choose_python(release)
    venv = folder / VENV
    run([python, "-I", "-m", "venv", "--without-pip", "--symlinks", str(venv)])
    interpreter = venv / "bin" / "python"
    scheme = json.loads(run([str(interpreter), "-I", "-c", _PATHS]))
    names = (folder / WHEELS / f"py{minor}.txt").read_text("utf-8").split()
    for name in names:
        _install(folder / WHEELS / name, scheme, str(interpreter))
    # Bytecode is made now, since nobody may write to the release later. A file that does not
    # compile is no fault here: packages carry templates of Python files, and none is imported.
    compile_all = ["-I", "-m", "compileall", "-q", "-j", "0", str(venv / "lib")]
    run([str(interpreter), *compile_all], timeout=600, accept=(0, 1))


def _install(wheel: Path, scheme: dict[str, str], interpreter: str) -> None:
    _make_vendored_importable()
    from installer import install  # noqa: PLC0415 - importable only now
    from installer.destinations import SchemeDictionaryDestination  # noqa: PLC0415
    from installer.sources import WheelFile  # noqa: PLC0415

    # Headers have a place of their own for each distribution, as pip has it.
    paths = {**scheme, "headers": f"{scheme['include']}/{wheel.name.split('-')[0]}"}
    destination = SchemeDictionaryDestination(
        paths, interpreter=interpreter, script_kind="posix", overwrite_existing=True
    )
    with WheelFile.open(wheel) as source:
        install(source, destination, additional_metadata={"INSTALLER": b"agentctl\n"})


def _make_vendored_importable() -> None:
    folder = next(iter(_vendor.__path__))
    if folder not in sys.path:
        sys.path.insert(0, folder)
