"""How much is logged: of which level, and above."""

LOG_LEVELS = ("debug", "info", "warning")
