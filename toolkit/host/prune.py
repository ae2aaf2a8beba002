"""Takes away versions that nobody goes back to any more."""

from __future__ import annotations

from toolkit.host.files import remove_tree
from toolkit.host.layout import MARKER, Layout
from toolkit.host.state import State


def prune(layout: Layout, state: State, keep: int) -> tuple[str, ...]:
    """Keep `keep` versions, the running and the previous one among them; gives those that went.

    Of the others, those that came last stay.
    """
    needed = {state.version, layout.running_version(), state.previous}
    markers = sorted(layout.releases.glob(f"*/{MARKER}"), key=lambda path: path.stat().st_mtime_ns)
    others = [path.parent.name for path in markers if path.parent.name not in needed]
    held = sum(path.parent.name in needed for path in markers)
    surplus = others[: max(0, len(others) - max(0, keep - held))]
    for version in surplus:
        # First the marker: what is left of a removal that was cut off counts for nothing.
        layout.release(version).chmod(0o755)
        layout.marker(version).unlink()
        remove_tree(layout.release(version))
    return tuple(surplus)
