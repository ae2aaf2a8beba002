# Copyright: aiwm-toolkit
# Apache-2.0 (see LICENSE)
"""Notes for each task on a host whether it changed something, in check mode and for real."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: foresight
type: notification
short_description: Notes what tasks changed, and what they would have
description:
  - What was noted is compared when a scenario has ended, by tests/support/foreseen.py.
options:
  path:
    description: The file to which lines are added.
    type: str
    default: ""
    env:
      - name: FORESIGHT
"""
FACTS = ("steps", "before", "after")


class CallbackModule(CallbackBase):  # type: ignore[misc]  # where Ansible has no types
    """Adds a line to the file for each task of a play on the group `agents`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "foresight"

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note what a task did, or would do."""
        path, task = self.get_option("path"), result._task
        if not path or result._host.get_name() == "localhost" or task._role is None:
            return
        check = bool(task.check_mode)
        if context.CLIARGS.get("check") and not check:
            return  # it is a part of the check itself
        facts = {name: result._result.get(name) for name in FACTS}
        line = {
            "host": result._host.get_name(),
            "process": os.getpid(),
            "check": check,
            "said": [task.get_name(), facts] if result._result.get("changed") else None,
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
