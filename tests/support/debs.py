"""A repository of Debian packages in a folder, for hosts that reach no other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.support.images import ensure_image
from tests.support.podman import podman

_SECONDS = 900
_SCRIPT = """
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet </dev/null
apt-get install --quiet --yes --download-only \\
  -o Dir::Cache::archives=/packages {packages} </dev/null
rm -rf /packages/partial /packages/lock
# Only now, since what it needs itself would count as being there on hosts too.
apt-get install --quiet --yes --no-install-recommends apt-utils </dev/null
cd /packages
apt-ftparchive packages . >Packages
"""


def collect(folder: Path, suite: str, packages: Sequence[str]) -> None:
    """Put packages, and all that a host of `suite` lacks for them, into an empty `folder`.

    Served, it is a repository without a signature: `deb [trusted=yes] URL ./`.

    Raises:
        CommandFailed: the distribution's own repository was not reached, or lacks a package.
    """
    folder.mkdir(parents=True)
    podman(
        *("run", "--rm", "--interactive", "--network", "host"),
        *("--ulimit", "nofile=10000:20000", "--ulimit", "nproc=5000:5000"),
        *("--volume", f"{folder}:/packages", ensure_image(suite), "/bin/sh", "-s"),
        text=_SCRIPT.format(packages=" ".join(packages)),
        timeout=_SECONDS,
    )
