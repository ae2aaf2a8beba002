"""What holds for all tests."""

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the machines to `make vm`, which names them: half an hour, where no KVM works."""
    if "vm" in config.option.markexpr:
        return
    left = [item for item in items if item.get_closest_marker("vm")]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
