"""What tests of the brains share."""

from tests.support.models.fixtures import alone, models, tools

__all__ = ["alone", "models", "tools"]
