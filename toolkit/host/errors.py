"""Every fault that `agentctl` reports, with its exit code (docs/exit-codes.md)."""

from __future__ import annotations


class AgentctlError(Exception):
    """Root of all faults; `message` says what happened and why, `hint` what to do."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AgentctlError):
    """The call asks for something that cannot be."""

    exit_code = 2


class Unsupported(AgentctlError):
    """This system, Python or process manager is not one that the release runs on."""

    exit_code = 10


class NotPermitted(AgentctlError):
    """The step needs rights that this user does not have."""

    exit_code = 11


class NotOurs(AgentctlError):
    """A file is not the service's own, so that it is neither read nor shown."""


class Busy(AgentctlError):
    """Another agentctl works on the same service."""

    exit_code = 12


class DownloadFailed(AgentctlError):
    """The store could not be reached, or did not answer with the file.

    `retry_after` is for how many seconds it asked to be left alone.
    """

    exit_code = 20

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class NotServed(DownloadFailed):
    """The store has no such file, or does not give it out."""


class HashMismatch(AgentctlError):
    """What arrived is not what was published."""

    exit_code = 21


class DiskFull(AgentctlError):
    """There is no room left on the disk."""

    exit_code = 22


class BadRelease(AgentctlError):
    """The tarball is whole, but it is not a release that this agentctl can install."""

    exit_code = 23


class TooOld(BadRelease):
    """The release wants a newer agentctl than this one."""


class MissingSetting(AgentctlError):
    """A variable that the agent requires was not given."""

    exit_code = 24


class CommandFailed(AgentctlError):
    """A program of the host failed."""

    exit_code = 25


class StartFailed(CommandFailed):
    """The process manager answered, and says that the service did not start."""


class Unhealthy(AgentctlError):
    """The service was started, but its health gate did not hold."""

    exit_code = 30


class Reverted(AgentctlError):
    """The new version did not stay; the old one runs again."""

    exit_code = 31


class FailedBefore(AgentctlError):
    """The version failed on this host before, by its own fault."""

    exit_code = 32


class Pinned(AgentctlError):
    """Somebody said that the service stays at another version."""

    exit_code = 33


class PutAside(AgentctlError):
    """Somebody stopped or disabled the service, and nobody is there who wants it started."""

    def __init__(self, service: str, word: str, version: str) -> None:
        super().__init__(
            f"{service} is {word}, and so {version} was not tried: it is when the service is "
            "started and enabled again, or by an upgrade that somebody calls"
        )
        self.version = version


class TrustFault(AgentctlError):
    """What the store serves can't be trusted, or does not hold what was asked for."""

    exit_code = 49


class Expired(TrustFault):
    """Metadata ran out: nobody signed it anew, or an old copy is served (a freeze)."""

    exit_code = 40

    def __init__(self, message: str, *, role: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.role = role


class RolledBack(TrustFault):
    """The store serves older metadata than this host has seen (a replay)."""

    exit_code = 41


class MixedUp(TrustFault):
    """Metadata files do not belong together, or one of them was changed."""

    exit_code = 42


class NotSigned(TrustFault):
    """Metadata lacks the signatures that it must have."""

    exit_code = 43


class EndlessData(TrustFault):
    """The store sends more than a file may have."""

    exit_code = 44


class UnknownTarget(TrustFault):
    """The signed metadata does not name what was asked for."""

    exit_code = 45


class NotYet(UnknownTarget):
    """A version is rolled out to a part of the hosts, and this one is not among them."""


class ClockWrong(TrustFault):
    """This host's clock is wrong, so that nothing can be said of what is too old."""

    exit_code = 46


class OtherRoot(TrustFault):
    """The root that was given is not the one that this host trusts, nor leads to or from it."""

    exit_code = 47


class Yanked(TrustFault):
    """The version was taken back by those who published it."""

    exit_code = 48


class BadMetadata(TrustFault):
    """A metadata file can't be read, or holds what this agentctl does not understand."""
