"""Base images of the hosts under test, made once and kept in podman's store.

`debootstrap` makes Debian trees where no registry of container images can be reached. The variable
TOOLKIT_TEST_IMAGE names an image to use in their place, for example ubuntu:24.04: it gets the same
packages and the same customisation. An image's tag is a hash of all that made it, so a change of
the recipe makes a new image and an old one is never taken for a new one.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.podman import (
    ROOT_FOLDER,
    CommandFailed,
    as_root,
    machine_lock,
    podman,
    podman_argv,
    run_as_root,
)

DEBIAN_SUITES = ("bookworm", "trixie")
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "python3",
    "sudo",
    "ca-certificates",
    "curl",
    "wget",
    "iproute2",
    "tmux",
    "zstd",
)
INIT = "/lib/systemd/systemd"
_RECIPE_VERSION = 1
_CUSTOMISATION = Path(__file__).with_name("customise-image.sh")
_BUILD_SECONDS = 900

Report = Callable[[str], None]


@dataclass(frozen=True)
class ImageRecipe:
    """All that makes an image; `base` is a Debian suite, or an image to start from when `given`."""

    base: str
    given: bool
    packages: tuple[str, ...]
    customisation: str

    @property
    def tag(self) -> str:
        """The image's full name, with the hash of the recipe."""
        facts = [_RECIPE_VERSION, self.base, self.given, self.packages, self.customisation]
        digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]
        name = "given" if self.given else self.base
        return f"localhost/toolkit-host-{name}:{digest}"


def suites() -> tuple[str, ...]:
    """Return the systems to test on: the image of TOOLKIT_TEST_IMAGE, else the Debian suites."""
    given = os.environ.get("TOOLKIT_TEST_IMAGE")
    return (given,) if given else DEBIAN_SUITES


def recipe(suite: str) -> ImageRecipe:
    """Return the recipe of one of `suites()`."""
    return ImageRecipe(
        base=suite,
        given=suite not in DEBIAN_SUITES,
        packages=PACKAGES,
        customisation=_CUSTOMISATION.read_text(encoding="utf-8"),
    )


def to_stderr(line: str) -> None:
    """Report progress on standard error."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def ensure_image(suite: str, report: Report = to_stderr) -> str:
    """Return the tag of the image for `suite`, made first where it is missing.

    Args:
        suite: one of `suites()`.
        report: called with a line of text now and then while it builds.

    Raises:
        CommandFailed: debootstrap, podman or the customisation failed.
    """
    return ensure(recipe(suite), report)


def ensure(wanted: ImageRecipe, report: Report = to_stderr) -> str:
    """Return the tag of the image that a recipe makes; as `ensure_image`."""
    with machine_lock("images"):
        if podman("image", "exists", wanted.tag, check=False).returncode == 0:
            return wanted.tag
        began = time.monotonic()
        report(f"host image {wanted.tag}: building, once, about a minute")
        if wanted.given:
            _build_from_image(wanted, report)
        else:
            _build_from_packages(wanted, report)
        report(f"host image {wanted.tag}: done in {time.monotonic() - began:.0f} s")
    return wanted.tag


def _build_from_packages(wanted: ImageRecipe, report: Report) -> None:
    with _scratch_tree() as tree:
        report(f"  debootstrap {wanted.base}")
        run_as_root(debootstrap_argv(wanted, tree), timeout=_BUILD_SECONDS)
        report("  customise")
        run_as_root(["chroot", str(tree), "/bin/sh", "-s"], text=wanted.customisation, timeout=120)
        report("  import")
        _import_tree(tree, wanted.tag)


def debootstrap_argv(wanted: ImageRecipe, tree: Path) -> list[str]:
    """Return the command that makes the tree of a Debian suite.

    The empty mirror stands for debootstrap's own default. The script is named because older
    releases of debootstrap have none for suites that came after them; `sid` serves them all.
    """
    packages = ",".join(wanted.packages)
    options = ["--variant=minbase", f"--include={packages}"]
    return ["debootstrap", *options, wanted.base, str(tree), "", "sid"]


@contextmanager
def _scratch_tree() -> Iterator[Path]:
    # Not the default temporary directory: that may be a small tmpfs, or mounted nodev.
    tree = Path(tempfile.mkdtemp(prefix="toolkit-host-", dir="/var/tmp"))
    try:
        yield tree
    finally:
        # debootstrap leaves these mounted when it fails; rm must not reach the machine's own.
        for point in ("proc", "sys"):
            run_as_root(["umount", "--quiet", "--lazy", str(tree / point)], check=False)
        run_as_root(["rm", "-rf", "--one-file-system", str(tree)], timeout=120)


def _import_tree(tree: Path, tag: str) -> None:
    with subprocess.Popen(
        as_root(["tar", "-C", str(tree), "-c", "."]), stdout=subprocess.PIPE
    ) as packer:
        done = subprocess.run(
            podman_argv("import", "--quiet", "-", tag),
            stdin=packer.stdout,
            cwd=ROOT_FOLDER,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            check=False,
        )
    code = done.returncode or packer.returncode
    if code != 0:
        podman("rmi", tag, check=False)
        raise CommandFailed(code, ["tar", "|", "podman", "import"], done.stdout, done.stderr)


def _build_from_image(wanted: ImageRecipe, report: Report) -> None:
    script = f"{_install_script(wanted.packages)}\n{wanted.customisation}"
    name = f"toolkit-image-{os.getpid()}"
    try:
        report(f"  install packages into {wanted.base}")
        podman(
            *("run", "--interactive", "--name", name, "--network", "host"),
            *("--ulimit", "nofile=10000:20000", "--ulimit", "nproc=5000:5000"),
            *(wanted.base, "/bin/sh", "-s"),
            text=script,
            timeout=_BUILD_SECONDS,
        )
        report("  commit")
        podman("commit", "--quiet", name, wanted.tag, timeout=_BUILD_SECONDS)
    finally:
        podman("rm", "--force", name, check=False)


def _install_script(packages: tuple[str, ...]) -> str:
    # Standard input is the script itself, so no command in it may read from there.
    return (
        "set -eu\nexport DEBIAN_FRONTEND=noninteractive\n"
        "apt-get update --quiet </dev/null\n"
        f"apt-get install --quiet --yes --no-install-recommends {' '.join(packages)} </dev/null\n"
    )
