"""The hosts of an inventory: what `ansible-inventory --list` prints, as values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toolkit.errors import ConfigError
from toolkit.secret import Secret
from toolkit.ssh_words import options_of

SSH = (
    "ssh",
    "smart",
    "paramiko",
    "paramiko_ssh",
    "ansible.builtin.ssh",
    "ansible.builtin.paramiko_ssh",
)
LOCAL = ("local", "ansible.builtin.local")
OWN = "agent_"  # what the names of the variables that say what is installed begin with
# Newest name first; the others are what Ansible reads as well.
_NAMES = {
    "connection": ("ansible_connection",),
    "address": ("ansible_host", "ansible_ssh_host"),
    "port": ("ansible_port", "ansible_ssh_port"),
    "user": ("ansible_user", "ansible_ssh_user"),
    "password": ("ansible_password", "ansible_ssh_password", "ansible_ssh_pass"),
    "identity_file": ("ansible_private_key_file", "ansible_ssh_private_key_file"),
    "become": ("ansible_become",),
    "become_user": ("ansible_become_user",),
    "become_method": ("ansible_become_method",),
    "become_password": (
        "ansible_become_password",
        "ansible_become_pass",
        "ansible_sudo_pass",
    ),
    "python": ("ansible_python_interpreter",),
    "ssh_args": ("ansible_ssh_args",),
    "ssh_common_args": ("ansible_ssh_common_args",),
    "ssh_extra_args": ("ansible_ssh_extra_args",),
}
CONNECTION = frozenset(name for names in _NAMES.values() for name in names)
_TRUE = ("1", "true", "yes", "on", "t", "y")
_FALSE = ("0", "false", "no", "off", "f", "n", "")


@dataclass(frozen=True)
class Host:
    """A host of an inventory, and how to reach it.

    `port` and `user` are None where the inventory leaves them to ssh's configuration. `jump` is
    as in ssh's ProxyJump; `ssh` are further options of ssh, by name in lower case. `become` says
    whether to work as root by sudo; None: where sudo asks no password, or there is one for it.
    `variables` are the host's and its groups', those of Ansible's own left out.
    """

    name: str
    address: str
    port: int | None = None
    user: str | None = None
    identity_file: str | None = None
    jump: str | None = None
    become: bool | None = None
    become_password: Secret | None = None
    password: Secret | None = None
    groups: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    ssh: Mapping[str, str] = field(default_factory=dict, hash=False)
    python: str = "python3"
    connection: str = "ssh"


Listing = Mapping[str, Any]


def is_ours(name: str) -> bool:
    """Say whether toolkit reads the variable `name`, so that its template must be filled in."""
    return name.startswith(OWN) or name in CONNECTION


def unfinished(value: object) -> bool:
    """Say whether only Ansible can say what `value` is: it has a template, or is in a vault."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, Mapping):
        return "__ansible_vault" in value or any(map(unfinished, value.values()))
    return isinstance(value, list) and any(map(unfinished, value))


def variables_of(listing: Listing) -> dict[str, dict[str, Any]]:
    """Give each host's variables, the hosts in the inventory's order."""
    known = listing.get("_meta", {}).get("hostvars", {})
    names = dict.fromkeys([*_walk(listing, "all"), *known])
    return {name: dict(known.get(name, {})) for name in names}


def parse_hosts(listing: Listing, variables: Mapping[str, Mapping[str, Any]]) -> tuple[Host, ...]:
    """Make the hosts of a listing; `variables` are theirs, with every template filled in.

    Raises ConfigError where a variable says something that toolkit can't do.
    """
    groups = _groups(listing)
    return tuple(_host(name, groups.get(name, ()), own) for name, own in variables.items())


def _walk(listing: Listing, group: str) -> Iterator[str]:
    said = listing.get(group, {})
    yield from said.get("hosts", ())
    for child in said.get("children", ()):
        yield from _walk(listing, child)


def _groups(listing: Listing) -> dict[str, tuple[str, ...]]:
    """Give each host's groups, those that hold its groups among them."""
    found: dict[str, list[str]] = {}
    for group in listing:
        if group not in ("_meta", "all"):
            for host in dict.fromkeys(_walk(listing, group)):
                found.setdefault(host, []).append(group)
    return {host: tuple(names) for host, names in found.items()}


def _host(name: str, groups: tuple[str, ...], variables: Mapping[str, Any]) -> Host:
    said = {
        key: next((variables[old] for old in names if variables.get(old) not in (None, "")), None)
        for key, names in _NAMES.items()
    }
    texts = (said["ssh_args"], said["ssh_common_args"], said["ssh_extra_args"])
    ssh = options_of(*(str(text) for text in texts if text))
    connection, python = str(said["connection"] or "ssh"), str(said["python"] or "auto")
    _refuse(name, said, connection)
    port = said["port"] or ssh.pop("port", None)
    return Host(
        name=name,
        address=str(said["address"] or name),
        port=_port(name, port) if port else None,
        user=_text(said["user"] or ssh.pop("user", None)),
        identity_file=_text(said["identity_file"] or ssh.pop("identityfile", None)),
        jump=_jump(ssh.pop("proxyjump", None)),
        become=_truth(name, said["become"]),
        become_password=_secret(said["become_password"]),
        password=_secret(said["password"]),
        groups=groups,
        variables={key: value for key, value in variables.items() if key not in CONNECTION},
        ssh=ssh,
        python="python3" if python.startswith("auto") else python,
        connection="ssh" if connection in SSH else "local",
    )


def _refuse(name: str, said: Mapping[str, Any], connection: str) -> None:
    """Raise ConfigError where the inventory wants what toolkit can't do; else it would do less."""
    method, user = said["become_method"] or "sudo", said["become_user"] or "root"
    faults = {
        f"ansible_connection is {connection}": connection not in SSH + LOCAL,
        f"ansible_become_method is {method}": method not in ("sudo", "ansible.builtin.sudo"),
        f"ansible_become_user is {user}": user != "root",
    }
    for fault, is_so in faults.items():
        if is_so:
            raise ConfigError(
                f"toolkit can't work on host {name} as the inventory says",
                why=fault,
                hint="toolkit fleet knows ssh and local connections, and root by sudo; leave the "
                "host out with --limit, or change that variable",
            )


def _port(name: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise ConfigError(
            f"host {name} has the port {value!r} in the inventory",
            why="a port is a number",
            hint="mend its ansible_port",
        ) from error


def _truth(name: str, value: object) -> bool | None:
    word = "" if value is None else str(value).lower()
    if value is None or word in _TRUE + _FALSE:
        return None if value is None else word in _TRUE
    raise ConfigError(
        f"host {name} has {value!r} as ansible_become in the inventory",
        why="it is neither true nor false",
        hint="write true or false",
    )


def _jump(value: str | None) -> str | None:
    return None if value is None or value.lower() == "none" else value


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _secret(value: object) -> Secret | None:
    return None if value is None else Secret(str(value))
