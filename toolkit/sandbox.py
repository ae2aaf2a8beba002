"""What a service may do on its host: [service.sandbox], and systemd's words for it.

Every directive is known to systemd 249, the oldest that hosts have (Ubuntu 22.04).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

# What each pattern means in words, for error messages.
PATTERNS = {
    r"^/[\w./@:+-]*$": "an absolute path without spaces, as in /var/lib/my-agent",
    r"^/dev/[\w./-]+$": "a device, as in /dev/kvm",
    r"^CAP_[A-Z_]+$": "a capability, as in CAP_NET_BIND_SERVICE",
    r"^AF_[A-Z0-9_]+$": "an address family, as in AF_VSOCK",
    r"^@?[a-z0-9_-]+$": "a system call or a group of them, as in @mount",
    r"^(localhost|link-local|[0-9a-fA-F.:]+(/[0-9]+)?)$": "an address or a range, as in 10.0.0.0/8",
}
PATH, DEVICE, CAPABILITY, FAMILY, SYSCALL, RANGE = PATTERNS

Path = Annotated[str, StringConstraints(pattern=PATH)]
Device = Annotated[str, StringConstraints(pattern=DEVICE)]
Capability = Annotated[str, StringConstraints(pattern=CAPABILITY)]
Family = Annotated[str, StringConstraints(pattern=FAMILY)]
Syscall = Annotated[str, StringConstraints(pattern=SYSCALL)]
Range = Annotated[str, StringConstraints(pattern=RANGE)]

Directives = Iterator[tuple[str, str]]


class Sandbox(BaseModel):
    """What systemd lets the agent do; without a word, what a well-behaved server needs."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    enabled: bool = Field(
        default=True, description="false: only no new privileges and a /tmp of its own"
    )
    network: bool = Field(default=True, description="false: not even the host's loopback")
    addresses: list[Range] = Field(
        default=[], description="the only addresses it may speak with; none named: all"
    )
    address_families: list[Family] = Field(
        default=[], description="address families besides Unix, IPv4, IPv6 and netlink"
    )
    jit: bool | None = Field(
        default=None,
        description="may make memory both writable and executable; else true for Node.js alone",
    )
    home: Literal["none", "read-only", "read-write"] = Field(
        default="none", description="what it may do with the folders of this host's people"
    )
    writable: list[Path] = Field(
        default=[], description="paths it may write besides its workspace, its logs and /tmp"
    )
    devices: list[Device] = Field(
        default=[], description="devices that it may use, besides /dev/null and its like"
    )
    processes: bool = Field(default=False, description="sees the processes of other users")
    namespaces: bool = Field(
        default=False, description="may make namespaces, as a browser's own sandbox does"
    )
    capabilities: list[Capability] = Field(
        default=[], description="rights of root that it has, as in CAP_NET_BIND_SERVICE"
    )
    syscalls: list[Syscall] = Field(
        default=[], description="system calls besides those of an ordinary service"
    )

    def system(self, *, jit: bool, folders: tuple[str, ...]) -> Directives:
        """Give the directives of a system unit; `folders` are those that it may always write.

        Source: systemd.exec(5), systemd.resource-control(5), and what `systemd-analyze security`
        weighs.
        """
        if not self.enabled:
            yield from _LEAST
            return
        yield from self._files(folders)
        yield from self._rights()
        yield from _KERNEL
        yield "ProtectProc", "default" if self.processes else "invisible"
        yield from self._network()
        yield from self.anywhere(jit=jit)
        yield from _OWN

    def anywhere(self, *, jit: bool) -> Directives:
        """Give those of them that need neither root nor a namespace: for a user's own unit."""
        yield "NoNewPrivileges", "yes"
        if not self.enabled:
            return
        families = ["AF_UNIX", *(_INTERNET if self.network else ()), *self.address_families]
        yield "RestrictAddressFamilies", " ".join(families)
        if not self.namespaces:
            yield "RestrictNamespaces", "yes"
        yield "RestrictRealtime", "yes"
        yield "RestrictSUIDSGID", "yes"
        yield "LockPersonality", "yes"
        if not (jit if self.jit is None else self.jit):
            yield "MemoryDenyWriteExecute", "yes"
        yield "UMask", "0077"
        yield "SystemCallArchitectures", "native"
        yield "SystemCallFilter", "@system-service"
        yield "SystemCallFilter", "~@privileged @resources"
        if self.syscalls:
            yield "SystemCallFilter", " ".join(self.syscalls)
        # What is refused answers with an error, as an ordinary lack of rights does.
        yield "SystemCallErrorNumber", "EPERM"

    def _files(self, folders: tuple[str, ...]) -> Directives:
        yield "ProtectSystem", "strict"
        yield "ReadWritePaths", " ".join([*folders, *(f"-{path}" for path in self.writable)])
        yield (
            "ProtectHome",
            {"none": "yes", "read-only": "read-only", "read-write": "no"}[self.home],
        )
        if self.home == "read-write":
            yield "ReadWritePaths", "-/home -/root"
        yield "PrivateTmp", "yes"
        yield "PrivateMounts", "yes"

    def _rights(self) -> Directives:
        names = " ".join(self.capabilities)
        yield "CapabilityBoundingSet", names
        yield "AmbientCapabilities", names
        # Not PrivateUsers: with no capability to take away it adds little, and together with
        # ProtectProc no service starts where PID 1 lacks CAP_SYS_PTRACE, as in many containers.
        if not self.devices:
            yield "PrivateDevices", "yes"
        yield "DevicePolicy", "closed"
        for device in self.devices:
            yield "DeviceAllow", f"{device} rw"

    def _network(self) -> Directives:
        if not self.network:
            yield "PrivateNetwork", "yes"
        if self.addresses:
            yield "IPAddressDeny", "any"
            yield "IPAddressAllow", " ".join(self.addresses)


_INTERNET = ("AF_INET", "AF_INET6", "AF_NETLINK")
_LEAST = (("NoNewPrivileges", "yes"), ("PrivateTmp", "yes"))
_KERNEL = (
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
)
_OWN = (("PrivateIPC", "yes"), ("KeyringMode", "private"))
