"""What requests say. Names are in camelCase; unknown ones are passed over, as clients grow."""

from aiwm_controller.wire.agents import (
    AgentChanges,
    AgentFields,
    AgentIn,
    AgentStatus,
    AgentType,
    Enroll,
    EnrollmentIn,
)
from aiwm_controller.wire.lifecycle import (
    Connect,
    Disconnect,
    HeartbeatIn,
    Metrics,
    Reported,
    Upgrade,
)
from aiwm_controller.wire.people import (
    ConfigurationIn,
    Login,
    UserChanges,
    UserIn,
)
from aiwm_controller.wire.resources import (
    DeploymentChanges,
    DeploymentIn,
    Endpoint,
    InstructionChanges,
    InstructionIn,
    NodeChanges,
    NodeIn,
    ToolChanges,
    ToolIn,
)
from aiwm_controller.wire.text import (
    Wire,
)

__all__ = [
    "AgentChanges",
    "AgentFields",
    "AgentIn",
    "AgentStatus",
    "AgentType",
    "ConfigurationIn",
    "Connect",
    "DeploymentChanges",
    "DeploymentIn",
    "Disconnect",
    "Endpoint",
    "Enroll",
    "EnrollmentIn",
    "HeartbeatIn",
    "InstructionChanges",
    "InstructionIn",
    "Login",
    "Metrics",
    "NodeChanges",
    "NodeIn",
    "Reported",
    "ToolChanges",
    "ToolIn",
    "Upgrade",
    "UserChanges",
    "UserIn",
    "Wire",
]
