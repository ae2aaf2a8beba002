"""Takes a long-running agent from its source tree to a proven-running service on a fleet."""

__version__ = "0.1.0"
