#!/usr/bin/python
# Copyright: aiwm-toolkit
# Apache-2.0 (see LICENSE)
# SPDX-License-Identifier: Apache-2.0
"""Lets agentctl bring a host to the release that a play wants."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: agent_release
short_description: Install, upgrade, roll back or remove an agent's release
version_added: 0.1.0
author:
  - aiwm-toolkit (!UNKNOWN)
description:
  - Brings one agent on a host to the wanted release, by one call of C(agentctl), which does all of
    the work and is brought along where it is missing or of another SHA-256.
  - An upgrade is confirmed or undone. The version before comes back by itself unless the new one
    stays healthy for its whole watch window; the task then fails, and says why.
  - What check mode foresees is what then changes.
requirements:
  - Python 3.10 or newer on the host
options:
  name:
    description: The agent's name.
    type: str
    required: true
  service:
    description: The service's name, where it is not the agent's.
    type: str
  state:
    description:
      - V(present) installs the version that O(version) or O(channel) says, or upgrades to it.
      - V(configured) changes O(environment) and O(secrets) of the version that runs, restarts the
        service where they are others, and fetches nothing.
      - V(rolled_back) goes back to the version before, or to O(version), which must still be on
        the host. Without O(version), each run goes back once more.
      - V(absent) removes the service and all that it wrote.
    type: str
    choices: [present, configured, rolled_back, absent]
    default: present
  version:
    description:
      - The version to run. Write it in quotes, so that 1.10 stays 1.10.
      - It comes before O(channel) where both are given.
    type: str
  channel:
    description: Run what this channel of the signed metadata has for this host; needs O(root).
    type: str
  store:
    description: Where the releases are, a URL or a folder of the host. V(present) needs it.
    type: str
  store_header:
    description:
      - A header that a private store asks for, such as C(Authorization) with a token.
      - The host keeps it in the service's folder, for root alone.
    type: str
  store_header_over_http:
    description: Send it over plain http to another machine too, where the network may read it.
    type: bool
    default: false
  root:
    description: The store's root metadata. Hosts then believe what it leads to.
    type: json
  tarballs:
    description: >-
      Tarballs to believe, in place of O(root). Each is a list of platform, file name and SHA-256.
    type: list
    elements: list
  agentctl:
    description: The agentctl that this release was published with.
    type: dict
    suboptions:
      name:
        description: Its file name in the store.
        type: str
        required: true
      sha256:
        description: Its SHA-256; another file is not run.
        type: str
        required: true
      path:
        description: A copy of it on the host, for hosts that don't reach the store.
        type: path
  process_manager:
    description: What runs the service. The release says which of them it can run under.
    type: str
    choices: [systemd, systemd-user, pm2, direct]
    default: systemd
  user:
    description: Who runs the service, where the release has no user of its own.
    type: str
  home:
    description: The service's folder; C(/opt/) and the service's name where it is not given.
    type: path
  environment:
    description:
      - Variables of this host, which its service reads.
      - What is not named here stays as it is on the host.
    type: dict
    default: {}
  secrets:
    description:
      - Variables that nobody else may see. They are shown in no output and reach C(agentctl) by
        its standard input.
    type: dict
    default: {}
  watch:
    description: For how many seconds a version on trial must be healthy, if not as it says itself.
    type: float
  keep:
    description: How many versions stay on the host.
    type: int
    default: 3
  again:
    description: Also try a version that failed on this host before.
    type: bool
    default: false
  keep_data:
    description: With V(absent), keep the settings, logs and the workspace.
    type: bool
    default: false
attributes:
  check_mode:
    description: Foresees what then changes, and changes nothing.
    support: full
  diff_mode:
    description: Shows how the service stood and stands. Of settings, only that they change.
    support: full
  platform:
    description: Ubuntu 22.04 and 24.04, Debian 12 and 13.
    support: full
    platforms: debian
notes:
  - C(toolkit render ansible-vars NAME) prints O(name), O(store), O(root) or O(tarballs), and
    O(agentctl) as variables of the role P(aiwm.toolkit.agent#role).
  - Without pipelining, Ansible puts a module's arguments, secrets too, into a file of mode 0600 in
    its temporary folder on the host while the task runs. Set C(pipelining = true).
"""

EXAMPLES = r"""
- name: Run what the channel stable has
  aiwm.toolkit.agent_release:
    name: glances
    channel: stable
    store: https://cdn.example.com/agents
    root: "{{ agent_root }}"
    agentctl: "{{ agent_agentctl }}"

- name: Run one version, with settings of this host
  aiwm.toolkit.agent_release:
    name: xora-agent
    version: "1.4.2"
    store: https://cdn.example.com/agents
    root: "{{ agent_root }}"
    agentctl: "{{ agent_agentctl }}"
    environment:
      AIWM_URL: https://aiwm.example.com
    secrets:
      AIWM_AGENT_SECRET: "{{ vault_agent_secret }}"
    watch: 120

- name: Exchange a secret, and stay at the version that runs
  aiwm.toolkit.agent_release:
    name: xora-agent
    state: configured
    secrets:
      AIWM_AGENT_SECRET: "{{ vault_agent_secret }}"

- name: Go back to the version before
  aiwm.toolkit.agent_release:
    name: xora-agent
    state: rolled_back

- name: Remove the agent, and keep what it wrote
  aiwm.toolkit.agent_release:
    name: xora-agent
    state: absent
    keep_data: true
"""

RETURN = r"""
before:
  description: How the service stood; null where nothing was installed.
  returned: always
  type: dict
  contains:
    version:
      description: The version that ran.
      type: str
      returned: success
      sample: 1.4.1
    channel:
      description: The channel that it was installed by, or null.
      type: str
      returned: success
      sample: stable
    manager:
      description: The process manager.
      type: str
      returned: success
      sample: systemd
    store:
      description: Where releases come from.
      type: str
      returned: success
      sample: https://cdn.example.com/agents
    agentctl:
      description: The start of agentctl's SHA-256.
      type: str
      returned: success
      sample: 5d41402abc4b
    settings:
      description: The variables of the host by name, with no values.
      type: dict
      returned: success
      sample: {AIWM_AGENT_SECRET: (set)}
after:
  description: How it stands now, or would stand in check mode; null where it was removed.
  returned: always
  type: dict
  sample: {version: 1.4.2, channel: stable, manager: systemd}
steps:
  description: What was changed, or would be in check mode, in order.
  returned: always
  type: list
  elements: str
  sample: [stage, settings, switch, configure, start]
reverted:
  description: Whether a version was tried and taken back.
  returned: always
  type: bool
code:
  description: The exit code of agentctl.
  returned: always
  type: int
  sample: 31
why:
  description: More about a failure, such as the last lines of the service's log.
  returned: failure
  type: str
hint:
  description: What to do about it.
  returned: failure
  type: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.aiwm.toolkit.plugins.module_utils.agentctl import SCHEMA, carry_out

VERBS = {
    "present": "install",
    "configured": "configure",
    "rolled_back": "rollback",
    "absent": "uninstall",
}
AGENTCTL = {
    "name": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "path": {"type": "path"},
}
ARGUMENTS = {
    "name": {"type": "str", "required": True},
    "service": {"type": "str"},
    "state": {"type": "str", "choices": list(VERBS), "default": "present"},
    "version": {"type": "str"},
    "channel": {"type": "str"},
    "store": {"type": "str"},
    "store_header": {"type": "str", "no_log": True},
    "store_header_over_http": {"type": "bool", "default": False},
    "root": {"type": "json"},
    "tarballs": {"type": "list", "elements": "list"},
    "agentctl": {"type": "dict", "options": AGENTCTL},
    "process_manager": {
        "type": "str",
        "choices": ["systemd", "systemd-user", "pm2", "direct"],
        "default": "systemd",
    },
    "user": {"type": "str"},
    "home": {"type": "path"},
    "environment": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "watch": {"type": "float"},
    "keep": {"type": "int", "default": 3, "no_log": False},
    "again": {"type": "bool", "default": False},
    "keep_data": {"type": "bool", "default": False, "no_log": False},
}
RESULTS = ("changed", "before", "after", "steps", "reverted", "code")


def order(parameters: dict[str, Any], check: bool) -> dict[str, Any]:
    """Give the order that the task's parameters mean."""
    apart = ("state", "environment", "secrets", "root", "tarballs", "agentctl")
    plain = {name: value for name, value in parameters.items() if name not in apart}
    return {
        **plain,
        "schema": SCHEMA,
        "verb": VERBS[parameters["state"]],
        "check": check,
        "settings": {**parameters["environment"], **parameters["secrets"]},
        "trust": {name: parameters[name] for name in ("root", "tarballs") if parameters[name]},
        "agentctl": parameters["agentctl"],
    }


def main() -> None:
    """Carry out the task."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[
            ("state", "present", ("store", "agentctl")),
            ("state", "present", ("version", "channel"), True),
            ("state", "present", ("root", "tarballs"), True),
        ],
        mutually_exclusive=[("root", "tarballs")],
    )
    answer = carry_out(order(module.params, module.check_mode))
    result = {name: answer[name] for name in RESULTS}
    if "diff" in answer:
        result["diff"] = {
            **answer["diff"],
            "before_header": module.params["name"],
            "after_header": module.params["name"],
        }
    if answer["ok"]:
        module.exit_json(**result)
    message = answer["message"]
    if answer["hint"]:
        message += "; " + answer["hint"]
    module.fail_json(msg=message, why=answer["why"], hint=answer["hint"], **result)


if __name__ == "__main__":
    main()
