"""What a unit lets a service do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from toolkit.sandbox import Sandbox

# Directives and the systemd that knew them first; Ubuntu 22.04 has 249.
SINCE = {
    "AmbientCapabilities": 229,
    "CapabilityBoundingSet": 21,
    "DeviceAllow": 208,
    "DevicePolicy": 208,
    "IPAddressAllow": 235,
    "IPAddressDeny": 235,
    "KeyringMode": 235,
    "LockPersonality": 235,
    "MemoryDenyWriteExecute": 231,
    "NoNewPrivileges": 187,
    "PrivateDevices": 209,
    "PrivateIPC": 248,
    "PrivateMounts": 239,
    "PrivateNetwork": 33,
    "PrivateTmp": 1,
    "ProtectClock": 245,
    "ProtectControlGroups": 232,
    "ProtectHome": 214,
    "ProtectHostname": 242,
    "ProtectKernelLogs": 244,
    "ProtectKernelModules": 232,
    "ProtectKernelTunables": 232,
    "ProtectProc": 247,
    "ProtectSystem": 214,
    "ReadWritePaths": 231,
    "RestrictAddressFamilies": 211,
    "RestrictNamespaces": 233,
    "RestrictRealtime": 231,
    "RestrictSUIDSGID": 242,
    "SystemCallArchitectures": 209,
    "SystemCallErrorNumber": 209,
    "SystemCallFilter": 187,
    "UMask": 1,
}
# What needs a namespace or root: a user's own systemd refuses to start a unit with it.
OF_THE_SYSTEM = {
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    *(name for name in SINCE if name.startswith(("Device", "IPAddress", "Private", "Protect"))),
}
WIDE = Sandbox(
    network=False,
    addresses=["localhost", "10.0.0.0/8"],
    address_families=["AF_VSOCK"],
    jit=True,
    home="read-write",
    writable=["/srv/data"],
    devices=["/dev/kvm"],
    processes=True,
    namespaces=True,
    capabilities=["CAP_NET_RAW"],
    syscalls=["@resources", "bpf"],
)


def directives(sandbox: Sandbox, *, jit: bool = False) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in sandbox.system(jit=jit, folders=("/opt/a/logs",)):
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("sandbox", [Sandbox(), WIDE, Sandbox(enabled=False)])
def test_every_directive_is_known_to_the_oldest_systemd(sandbox: Sandbox) -> None:
    assert {name for name in directives(sandbox) if SINCE[name] > 249} == set()
    assert not {name for name, _ in sandbox.anywhere(jit=False)} & OF_THE_SYSTEM


def test_without_a_word_nothing_is_open() -> None:
    found = directives(Sandbox())
    assert found["ReadWritePaths"] == ["/opt/a/logs"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["CapabilityBoundingSet"] == [""]
    assert found["MemoryDenyWriteExecute"] == ["yes"]
    assert "DeviceAllow" not in found


def test_each_switch_opens_what_it_names() -> None:
    found = directives(WIDE)
    assert found["ReadWritePaths"] == ["/opt/a/logs -/srv/data", "-/home -/root"]
    assert found["ProtectHome"] == ["no"]
    assert found["DeviceAllow"] == ["/dev/kvm rw"]
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == ["CAP_NET_RAW"]
    assert found["RestrictAddressFamilies"] == ["AF_UNIX AF_VSOCK"]
    assert found["SystemCallFilter"][-1] == "@resources bpf"
    assert (found["PrivateNetwork"], found["ProtectProc"]) == (["yes"], ["default"])
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == (
        ["any"],
        ["localhost 10.0.0.0/8"],
    )
    assert not {"MemoryDenyWriteExecute", "PrivateDevices", "RestrictNamespaces"} & found.keys()


def test_a_just_in_time_compiler_is_the_runtimes_matter_unless_said() -> None:
    assert "MemoryDenyWriteExecute" not in directives(Sandbox(), jit=True)
    assert "MemoryDenyWriteExecute" in directives(Sandbox(jit=False), jit=True)


def test_switched_off_it_is_what_every_unit_had() -> None:
    assert directives(Sandbox(enabled=False)) == {"NoNewPrivileges": ["yes"], "PrivateTmp": ["yes"]}


@pytest.mark.parametrize(
    "wrong", [{"writable": ["/srv/my data"]}, {"capabilities": ["ALL"]}, {"devices": ["/etc"]}]
)
def test_what_could_not_stand_in_a_unit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Sandbox.model_validate(wrong)
