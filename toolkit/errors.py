"""Every fault that `toolkit` reports: what happened, why, and what to do.

The exit codes are part of the interface and listed in docs/exit-codes.md.
"""


class ToolkitError(Exception):
    """Root of all faults; `message` says what happened, `why` the cause, `hint` what to do."""

    exit_code = 1

    def __init__(self, message: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.hint = hint


class ConfigError(ToolkitError):
    """A release/<agent>.toml or a toolkit.toml does not say what it must."""

    exit_code = 3


class NotFoundError(ToolkitError):
    """An agent, release, store or file that was named does not exist."""

    exit_code = 4


class BuildError(ToolkitError):
    """A release could not be built from its source."""

    exit_code = 5


class SecretFoundError(BuildError):
    """A file that looks like a secret would have gone into a release."""

    exit_code = 6


class StoreError(ToolkitError):
    """A store could not be read or written, or does not hold what was written to it."""

    exit_code = 7


class ConflictError(StoreError):
    """A file in a store is not as it had to be for a write: another publisher was there first."""


class CredentialsError(StoreError):
    """A store refused the credentials, or there are none."""

    exit_code = 8


class HostError(ToolkitError):
    """A host could not be reached, or a command on it failed."""

    exit_code = 9


class ContractError(ToolkitError):
    """A host does not hold what the release promises."""

    exit_code = 10


class MissingToolError(ToolkitError):
    """A program that this step needs is not on this machine."""

    exit_code = 11


class IntegrityError(ToolkitError):
    """A file is not what its checksum says."""

    exit_code = 12


class NotReproducedError(IntegrityError):
    """A release that was built again has other bytes than the one that was recorded."""


class TrustError(ToolkitError):
    """Metadata in a store does not verify, is missing, or has expired."""

    exit_code = 13


class SigningError(ToolkitError):
    """A private key is missing, does not open, or is not enough to sign with."""

    exit_code = 14


class MissingKeysError(SigningError):
    """Fewer private keys are at hand than a role's threshold asks for."""


class ChannelError(ToolkitError):
    """A channel cannot be moved as was asked."""

    exit_code = 15


class UsageError(ToolkitError):
    """A call's words can't be meant so."""

    exit_code = 2


class RolloutError(ToolkitError):
    """A rollout stopped before its end: the failure budget did not suffice."""

    exit_code = 16


class LedgerError(ToolkitError):
    """What is known of a rollout can't be read or written, or somebody else drives it."""

    exit_code = 17


class ControllerError(ToolkitError):
    """The AIWM controller could not be asked, refused, or does not hear from an agent."""

    exit_code = 18


class ControllerAwayError(ControllerError):
    """The AIWM controller does not answer now; it may later."""
