"""Who signs release metadata and for how long: the model of [trust] in toolkit.toml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from toolkit.spec import Name

# A signer: a private key's place, never the key itself.
Uri = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*:[^\s]+$")]
Days = Annotated[int, Field(ge=1, le=3650)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DaysConfig(_Model):
    """After how many days the metadata of each role expires."""

    root: Days = 365
    targets: Days = 90
    snapshot: Days = 7
    timestamp: Days = 1
    agents: Days = 90


class TrustConfig(_Model):
    """Where keys are. A role without signers here has the files ROLE-*.pem of the key folder."""

    keys: str = Field(default="keys", min_length=1, description="the folder of keys")
    root: list[Uri] = Field(default=[], description="signers of the root role")
    targets: list[Uri] = Field(default=[], description="signers of the targets role")
    snapshot: list[Uri] = Field(default=[], description="signers of the snapshot role")
    timestamp: list[Uri] = Field(default=[], description="signers of the timestamp role")
    agents: dict[Name, list[Uri]] = Field(
        default={}, description="signers of agentctl's role and of each agent's"
    )
    days: DaysConfig = DaysConfig()

    def signers(self, role: str) -> tuple[str, ...]:
        """Give the signers that are named for `role`."""
        named = {
            "root": self.root,
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }
        return tuple(named.get(role, self.agents.get(role, [])))
