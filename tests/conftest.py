"""What holds for all tests."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")

# A shell starts what is to run in the background with SIGINT ignored, and programs that tests start
# would inherit that; what Ctrl-C does could not be tested then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long proofs to the make targets that name them: `make vm`, `make crash`."""
    proofs = [name for name in ("vm", "long") if name not in config.option.markexpr]
    left = [item for item in items if any(item.get_closest_marker(name) for name in proofs)]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
