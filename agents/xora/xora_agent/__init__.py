"""The AIWM agent: one client of the controller, two brains."""

__version__ = "0.1.0"
