"""The AIWM controller: agents, what they are configured with, and their heartbeats."""

__version__ = "0.1.0"
