"""Gathers the files of a release from where the agent comes from."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.archive import Entry
from toolkit.patterns import matcher
from toolkit.secrets import OVERLAP, Finding, look
from toolkit.sources import folder, node, python
from toolkit.spec import NodeRuntime, PythonRuntime
from toolkit.tree import Job, Tree

_PIECE = 1 << 20


def gather(job: Job) -> Tree:
    """Give the tree of the agent of `job`.

    Raises BuildError and its kin where a lock, a wheel, a program or a file is missing.
    """
    match job.spec.runtime:
        case NodeRuntime() as runtime:
            return node.gather(job, runtime)
        case PythonRuntime() as runtime:
            return python.gather(job, runtime)
        case _:
            return folder.gather(job)


def find_secrets(tree: Tree, allowed: list[str]) -> Iterator[Finding]:
    """Look for secrets in the agent's own files, but for the paths that `allowed` names."""
    is_allowed = matcher(allowed)
    for own in tree.own:
        if not is_allowed(own.path) and (finding := look(own.path, _pieces(own))):
            yield finding


def _pieces(own: Entry) -> Iterator[bytes]:
    with own.open() as file:
        before = b""
        while piece := file.read(_PIECE):
            yield before + piece
            before = piece[-OVERLAP:]
