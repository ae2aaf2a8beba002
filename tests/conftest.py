"""What holds for all tests."""

import hashlib
import os
import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.images import suites

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")

# A shell starts what is to run in the background with SIGINT ignored, and programs that tests start
# would inherit that; what Ctrl-C does could not be tested then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Take back what a program said of logs: it holds for the process, and other tests' too."""
    yield
    structlog.reset_defaults()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what make targets of their own run: `make vm`, `make crash`, `make suites`."""
    proofs = [name for name in ("vm", "long") if name not in config.option.markexpr]
    left = [
        item
        for item in items
        if any(item.get_closest_marker(name) for name in proofs) or _is_another_suite(item)
    ]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)


def _is_another_suite(item: pytest.Item) -> bool:
    """Tell whether a test would be run again, on another system of hosts than its own."""
    called = getattr(item, "callspec", None)  # only what has parameters has it
    suite = called.params.get("suite") if called is not None else None
    if suite is None or "ALL_SUITES" in os.environ:
        return False
    known = suites()
    if item.get_closest_marker("one_suite"):
        return bool(suite != known[0])
    either = item.get_closest_marker("either_suite")
    if either and not either.kwargs.get("said"):
        return bool(suite != known[_drawn(item.nodeid.replace(suite, ""), len(known))])
    return False


def _drawn(name: str, among: int) -> int:
    """Draw a number below `among`, the same one for a name each time."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % among
