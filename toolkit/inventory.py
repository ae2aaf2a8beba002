"""Reads Ansible's inventories by Ansible itself: any format, groups, vaults, dynamic ones.

`ansible-inventory --list` prints variables as they are written. Those that toolkit reads and that
hold a template or are encrypted one by one are filled in by one more call of Ansible.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigError, MissingToolError, NotFoundError
from toolkit.hosts import Host, is_ours, parse_hosts, unfinished, variables_of
from toolkit.secret import Secret

__all__ = ["DEFAULTS", "Host", "Reading", "read"]

_SECONDS = 300  # a dynamic inventory may ask a cloud
_SHOWN = 8
_ASKED = "toolkit_asked"
# An inventory that can't be read is an error; and no secret goes to Ansible's log or to plugins
# that listen to it.
_ENVIRONMENT = {
    "ANSIBLE_BIN_ANSIBLE_CALLBACKS": "false",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
    "ANSIBLE_DEPRECATION_WARNINGS": "false",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
    "ANSIBLE_INVENTORY_EXPORT": "false",
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "false",
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_LOG_PATH": os.devnull,
    "ANSIBLE_NOCOLOR": "true",
    "ANSIBLE_FORCE_COLOR": "false",
    "LC_ALL": "C.UTF-8",  # Ansible refuses any other encoding
}


@dataclass(frozen=True)
class Reading:
    """How to read an inventory.

    `vault_password_files` are passed on to Ansible, which also reads its own configuration.
    `become_password` is for the hosts for which the inventory has none.
    """

    vault_password_files: tuple[Path, ...] = ()
    become_password: Secret | None = None


DEFAULTS = Reading()


def read(
    inventory: Sequence[Path | str], limit: str | None = None, reading: Reading = DEFAULTS
) -> tuple[Host, ...]:
    """Read the hosts of the inventories, in their order; `limit` is a pattern of Ansible's.

    Where `inventory` is empty, Ansible's configuration names it. Raises NotFoundError where there
    is no such inventory or no host matches, ConfigError where it can't be read or asks for what
    toolkit can't do, MissingToolError where there is no Ansible.
    """
    for source in inventory:
        _require(source)
    sources = [word for source in inventory for word in ("-i", str(source))]
    sources += [f"--vault-password-file={file}" for file in reading.vault_password_files]
    asked = [f"--limit={limit}"] if limit is not None else []
    listing = json.loads(_ansible("ansible-inventory", [*sources, "--list", *asked]))
    variables = variables_of(listing)
    if not variables:
        raise _nobody(limit, sources)
    hosts = parse_hosts(listing, _finished(variables, sources))
    return tuple(_with_password(host, reading.become_password) for host in hosts)


def _require(source: Path | str) -> None:
    if "," not in str(source) and not Path(source).exists():
        raise NotFoundError(
            f"there is no inventory {source}",
            why="no file or folder of that name is here",
            hint="name it with -i; a list of hosts ends with a comma: -i web1,web2,",
        )


def _nobody(limit: str | None, sources: Sequence[str]) -> NotFoundError:
    if limit is None:
        return NotFoundError(
            "the inventory names no host",
            why=f"read from {' '.join(sources[1::2]) or 'what ansible.cfg names'}",
            hint="name an inventory with -i",
        )
    listing = json.loads(_ansible("ansible-inventory", [*sources, "--list"]))
    known = [*variables_of(listing), *(name for name in listing if name not in ("_meta", "all"))]
    more = " …" if len(known) > _SHOWN else ""
    return NotFoundError(
        f"no host of the inventory matches {limit!r}",
        why=f"its hosts and groups: {', '.join(known[:_SHOWN])}{more}",
        hint="mend --limit; `ansible-inventory --graph` shows all of them",
    )


def _with_password(host: Host, password: Secret | None) -> Host:
    if password is None or host.become_password is not None or host.become is False:
        return host
    return replace(host, become_password=password)


def _finished(
    variables: Mapping[str, Mapping[str, Any]], sources: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Fill in the templates of the variables that toolkit reads; leave the others' hosts out."""
    asked = {
        host: {name: f"{{{{ hostvars[{host!r}][{name!r}] }}}}" for name in names}
        for host, own in variables.items()
        if (names := [name for name, value in own.items() if is_ours(name) and unfinished(value)])
    }
    answers = _fill_in(asked, sources) if asked else {}
    return {
        host: {
            **{name: value for name, value in own.items() if not unfinished(value)},
            **answers.get(host, {}),
        }
        for host, own in variables.items()
    }


def _fill_in(asked: Mapping[str, Any], sources: Sequence[str]) -> dict[str, dict[str, Any]]:
    # In a file and not in argv: there may be thousands. It holds names alone, no values.
    with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
        file = Path(folder, "asked.json")
        file.write_text(json.dumps({_ASKED: asked}), encoding="utf-8")
        task = ["-m", "ansible.builtin.debug", "-a", f"msg={{{{ {_ASKED} }}}}"]
        # Any host will do: the task connects to none. One that is asked about has, at the least,
        # the variables that its own settings need.
        printed = _ansible("ansible", [next(iter(asked)), *sources, *task, f"--extra-vars=@{file}"])
    answer: dict[str, dict[str, Any]] = json.loads(printed.partition("=>")[2])["msg"]
    return answer


def _ansible(program: str, words: Sequence[str]) -> str:
    """Run a program of Ansible's and give what it prints."""
    beside = Path(sys.executable).parent / program
    path = str(beside) if beside.exists() else shutil.which(program)
    if path is None:
        raise MissingToolError(
            f"{program} is not on this machine",
            why="toolkit reads inventories through it",
            hint="install ansible-core in the environment of toolkit",
        )
    try:
        done = subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **_ENVIRONMENT},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            "the inventory could not be read",
            why=f"{program} did not end in {_SECONDS} s",
            hint="see by hand what keeps it: ansible-inventory --list",
        ) from error
    if done.returncode:
        raise _unread(_said(done.stdout.decode(errors="replace"), done.stderr))
    return done.stdout.decode()


def _said(printed: str, errors: bytes) -> str:
    """Give Ansible's own reason: that of a task that failed, else what it wrote as an error."""
    try:
        return str(json.loads(printed.partition("=>")[2])["msg"])
    except (ValueError, KeyError, TypeError):
        return errors.decode(errors="replace")


def _unread(said: str) -> ConfigError:
    told, _, trace = said.partition("Traceback (most recent call last)")
    lines = [line.strip() for line in [*told.splitlines(), *trace.splitlines()[-1:]]]
    lines = [line for line in lines if line]
    why = "\n".join(lines[:_SHOWN]) or "it did not say why"
    if "vault secrets" in said or "vault password" in said.lower():
        hint = "give the vault's password with --vault-password-file FILE"
    elif "undefined" in said:
        hint = "define that variable, or give the one that uses it a plain value"
    else:
        hint = "mend it until `ansible-inventory --list` prints it"
    return ConfigError("Ansible could not read the inventory", why=why, hint=hint)
