# Copyright: aiwm-toolkit
# Apache-2.0 (see LICENSE)
# SPDX-License-Identifier: Apache-2.0
"""Writes what became of each host of a play, for `toolkit fleet --through ansible` to read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: results
type: notification
short_description: Writes one JSON line for each host that answered, failed or was unreachable
version_added: 0.1.0
author:
  - aiwm-toolkit (!UNKNOWN)
description:
  - Ansible's exit code says that some host failed, and not which; this says it of each one.
  - A line has the host, whether it was reached, and what M(aiwm.toolkit.agent_release) or agentctl
    answered. Arguments of tasks and settings of hosts are not written.
options:
  path:
    description: The file to which lines are added; nothing is written where it is not set.
    type: str
    default: ""
    env:
      - name: AIWM_TOOLKIT_RESULTS
"""

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

FIELDS = ("changed", "before", "after", "reverted", "code", "msg", "hint")
RELEASE = ("aiwm.toolkit.agent_release", "agent_release")
COMMAND = ("ansible.builtin.command", "command")


class CallbackModule(CallbackBase):  # type: ignore[misc]  # where Ansible has no types
    """Adds a line to the file for each result that says how a host stands."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "aiwm.toolkit.results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note what a task of ours answered."""
        if result._task.action in RELEASE + COMMAND:
            self._note(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note that a host failed, by whatever task."""
        if not ignore_errors:
            self._note(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Note that a host could not be reached."""
        self._note(result, "unreachable")

    def _note(self, result: Any, what: str) -> None:
        path = self.get_option("path")
        if not path:
            return
        found = result._result
        line: dict[str, Any] = {"host": result._host.get_name(), "what": what}
        line["release"] = result._task.action in RELEASE
        line.update({name: found[name] for name in FIELDS if name in found})
        if result._task.action in COMMAND:
            line["stdout"] = found.get("stdout", "")
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (json.dumps(line, default=str) + "\n").encode("utf-8"))
        finally:
            os.close(descriptor)
