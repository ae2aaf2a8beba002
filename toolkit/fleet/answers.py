"""What the answers of hosts mean to a rollout: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.remote import Failure, Kind, Outcome
from toolkit.rollout_events import Ended, Found, Loss, Undone

BUSY = 12
# Exit codes of agentctl that a machine may want to tell apart.
_KINDS = {
    2: "refused",
    4: "not_installed",
    BUSY: "busy",
    20: "store",
    21: "integrity",
    22: "disk_full",
    24: "setting",
    30: "unhealthy",
    31: "reverted",
    32: "failed_before",
    33: "pinned",
    40: "expired",
    46: "clock",
    48: "yanked",
}
# Then the version ran on the host and did not hold, now or before.
_RAN = ("unhealthy", "reverted", "failed_before")
# After these nobody knows what the host does.
SILENT = (Kind.TIMEOUT, Kind.CUT, Kind.BROKEN)


def found(outcome: Outcome, *, begun: bool = False) -> Found:
    """Read the answer to an order with `check`: how a host stands before it is visited.

    Where nothing was `begun` on the host before, no silence of it speaks against the version.
    """
    host, answer = outcome.host.name, outcome.answer
    loss = _loss(outcome)
    if outcome.failure is not None:
        loss = replaced(outcome.failure, ran=begun)
    if loss is not None:
        return Found(host, "lost", loss=loss)
    before, after = version_in(answer, "before"), version_in(answer, "after")
    if not answer["changed"]:
        return Found(host, "holds", after, after)
    return Found(host, "ready" if before else "fresh", before, after)


def ended(outcome: Outcome, target: str | None) -> Ended:
    """Read the answer to an order that changes a host; `target` is what was to run then."""
    host, answer = outcome.host.name, outcome.answer
    seconds = round(outcome.seconds, 1)
    loss = _loss(outcome)
    before, after = (version_in(answer or {}, when) for when in ("before", "after"))
    if loss is None and target and after != target:
        # Its channel moved meanwhile: what it runs is not what the canaries proved.
        reason = f"{after} runs, and {target} was to"
        loss = Loss("other_version", reason, ran=True)
    changed = loss is None and bool(answer["changed"])
    return Ended(host, before, after, changed, loss, seconds)


def undone(outcome: Outcome) -> Undone:
    """Read the answer to an order to go back."""
    after = version_in(outcome.answer or {}, "after")
    return Undone(outcome.host.name, after, _loss(outcome), round(outcome.seconds, 1))


def is_silent(outcome: Outcome) -> bool:
    """Say whether nobody knows what became of an order, or whether another one is in the way."""
    if outcome.failure is not None:
        return outcome.failure.kind in SILENT
    return is_busy(outcome)


def is_busy(outcome: Outcome) -> bool:
    """Say whether a host did nothing, since another agentctl was at work there."""
    return outcome.failure is None and bool(outcome.answer.get("code") == BUSY)


def is_unreached(outcome: Outcome) -> bool:
    """Say whether no login came about, so that nothing was asked: it may be tried again."""
    return outcome.failure is not None and outcome.failure.kind is Kind.UNREACHABLE


def working(outcome: Outcome) -> bool | None:
    """Read the answer to `status`: whether something is under way; None where none came."""
    if outcome.failure is not None:
        return None
    status = outcome.answer.get("data") or {}
    return bool(status.get("busy") or status.get("trial"))


def settled(outcome: Outcome, target: str | None, before: str | None) -> Ended:
    """Read the answer to `status` of a host that was begun and whose answer never came."""
    host, seconds = outcome.host.name, round(outcome.seconds, 1)
    if outcome.failure is not None:
        reason = f"silent since it was begun: {_line(outcome.failure.why)}"
        return Ended(host, before, loss=Loss("silent", reason, ran=True), seconds=seconds)
    status: Mapping[str, Any] = outcome.answer.get("data") or {}
    version = status.get("version")
    if version is not None and version == target and status.get("healthy"):
        return Ended(host, before, version, version != before, seconds=seconds)
    last = status.get("last_attempt") or {}
    if version == target or (last.get("version") == target and last.get("what") == "reverted"):
        kind = "unhealthy" if version == target else "reverted"
        reason = _line(status.get("fault") or last.get("reason"))
        return Ended(host, before, version, loss=Loss(kind, reason, ran=True), seconds=seconds)
    reason = f"it was cut off before {target or 'it'} was tried; {version or 'nothing'} runs"
    return Ended(host, before, version, loss=Loss("cut", reason), seconds=seconds)


def looked_again(outcome: Outcome, wanted: str | None) -> Found:
    """Read the answer to `status` of a host that held the version when its wave ended."""
    host = outcome.host.name
    if outcome.failure is not None:
        return Found(host, "lost", loss=replaced(outcome.failure, ran=True))
    status: Mapping[str, Any] = outcome.answer.get("data") or {}
    version = status.get("version")
    if version is None:
        reason = _line(outcome.answer.get("message") or "nothing is installed any more")
        return Found(host, "lost", loss=Loss("gone", reason, ran=True))
    if wanted and version != wanted:
        reason = f"{version} runs, and {wanted} did"
        return Found(host, "lost", version, loss=Loss("other_version", reason, ran=True))
    if not status.get("healthy"):
        reason = f"it held and is not healthy any more: {_line(status.get('fault'))}"
        return Found(host, "lost", version, loss=Loss("unhealthy", reason, ran=True))
    return Found(host, "holds", version, version)


def replaced(failure: Failure, *, ran: bool) -> Loss:
    """Make a loss of why a host gave no answer."""
    return Loss(str(failure.kind), _line(failure.why), ran)


def version_in(answer: Mapping[str, Any], when: str) -> str | None:
    """Give the version in an answer's `before` or `after`."""
    standing = answer.get(when)
    return standing["version"] if standing else None


def _loss(outcome: Outcome) -> Loss | None:
    if outcome.failure is not None:
        return replaced(outcome.failure, ran=outcome.failure.kind in SILENT)
    answer = outcome.answer
    if answer.get("ok"):
        return None
    kind = _KINDS.get(answer.get("code"), "failed")
    return Loss(kind, _line(answer.get("message")), ran=kind in _RAN)


def _line(text: object) -> str:
    lines = str(text or "").strip().splitlines()
    return lines[0] if lines else "it did not say why"
