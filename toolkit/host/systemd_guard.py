"""Has systemd bring the old version back, with no living agentctl, network or Python.

A unit does so when the version on trial has died too often, when the time to keep it has run out,
and at the next boot. All it does is rename files that stand ready, in a shell script of a
few lines; then agentctl, if it can, notes what happened.
"""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from toolkit.host.errors import CommandFailed
from toolkit.host.files import copy_whole, sync_filesystem, write_atomic
from toolkit.host.layout import Layout
from toolkit.host.manager import Installation
from toolkit.host.systemctl import Systemctl
from toolkit.host.trial import REVERTED, REVERTING, Trial, kept, read_trial, standing

FAILED = "failed"
EXPIRED = "expired"
UNSTARTED = "unstarted"
REBOOTED = "rebooted"
REVERT_SECONDS = 60.0
# With the time to become healthy and the window, enough for an old version that ends slowly.
ENDING = 20
# It sorts after the host's own drop-in, and after what an operator writes (override.conf).
_DROP_IN = "zz-trial.conf"
_WAS = ".was"
_LONG = 86_400

_UNIT = """\
# Written by agentctl for the time of a trial.
[Unit]
Description=Bring back the version of {service} that ran before the one on trial
Before={service}.service
ConditionPathExists={script}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh {script} %i
ExecStartPost=-{agentctl} settle
TimeoutStartSec=60

[Install]
WantedBy={target}
"""

_TIMER = """\
# Written by agentctl for the time of a trial.
[Unit]
Description=The time to keep the version of {service} that is on trial

[Timer]
OnActiveSec={seconds}
AccuracySec=1s
"""

_ON_TRIAL = """\
# Written by agentctl for the time of a trial.
[Unit]
OnFailure={service}-revert@failed.service
StartLimitIntervalSec={long}
StartLimitBurst={starts}

[Service]
# systemd 254 and newer would call the first end a failure; older ones know no other way.
RestartMode=direct
"""

_SCRIPT = """\
#!/bin/sh
# Brings {before} of {service} back: systemd runs this when {version}, which is on trial, has
# failed, was not kept in time, or when the host was started meanwhile. It only renames
# files that stand ready, so that it works on a full disk; it may be run again at any point.
set -eu
cd {trial}
shown() {{
  {systemctl} show --property="$1" --value {service}.service
}}
exec 9<.
flock 9
case "$1" in
  failed) # a unit that is about to be started: it was the old version that ended with an error
    [ -z "$(shown Job)" ] || exit 0
    ;;
  unstarted) # the same: the old version took its time to end, and that of the other begins now
    if [ -n "$(shown Job)" ]; then
      {systemctl} --no-block restart {service}-revert@unstarted.timer
      exit 0
    fi
    ;;
esac
why() {{
  case "$1" in
    failed) # by itself only when restarted too often: else somebody stopped or restarted it
      restarts=$(shown NRestarts)
      [ "${{restarts:-{starts}}}" -ge {starts} ] || set -- disturbed
      ;;
    expired) # at rest, though systemd would start it again for ever: somebody stopped it
      stands=$(shown Restart)-$(shown ActiveState)-$(shown Job)
      [ "$stands" != always-inactive- ] || set -- halted
      ;;
  esac
  printf '%s' "$1"
}}
if [ -e armed ]; then
  set -- "$(why "$1")"
fi
set -- reverting-* "$1"
if [ ! -e "$1" ]; then
  mv -T armed "reverting-$2" 2>/dev/null || exit 0 # the version was kept, or is gone already
  set -- "reverting-$2" "$2"
fi
back() {{ # a file that was not written anew has two names, and mv would refuse
  if [ "$1" -ef "$2" ]; then
    rm -f "$1"
  elif [ -e "$1" ] || [ -L "$1" ]; then
    mv -fT "$1" "$2"
  fi
}}
{files}
rm -f {drop_in}
sync
{systemctl} daemon-reload
{systemctl} reset-failed {service}.service || true
if [ "$1" != reverting-halted ] && [ -e {unit} ]; then # no unit: none stood there before, either
  {systemctl} --no-block restart {service}.service
fi
mv -T "$1" "reverted-${{1#reverting-}}"
"""


@dataclass(frozen=True)
class SystemdGuard:
    """Units in `folder` that stand for the time of a trial; `target` is what starts at boot."""

    control: Systemctl
    folder: Path
    target: str
    goes_on = True

    def arm(self, trial: Trial, old: Installation, restarts: int) -> None:
        """Write and start the units; whatever was written before is written anew."""
        service, layout = old.service, old.layout
        if layout.running_version() == trial.before:  # else they are the new version's
            for path in self._replaced(service):
                _keep(path)
        (self.folder / f"{service}.service.d").mkdir(mode=0o755, exist_ok=True)
        for path, text in self._texts(trial, old, restarts).items():
            write_atomic(path, text.encode(), 0o755 if path == _script(layout) else 0o644)
        self._at_boot(service)
        sync_filesystem(layout.home)
        sync_filesystem(self.folder)
        self.control.ask("systemctl", "daemon-reload")
        self._restart_timer(service, UNSTARTED, instead_of=EXPIRED)

    def begin(self, service: str) -> None:
        """Have the time to keep the version run from now on."""
        self._restart_timer(service, EXPIRED, instead_of=UNSTARTED)

    def _restart_timer(self, service: str, name: str, *, instead_of: str) -> None:
        self.control.ask("systemctl", "restart", f"{service}-revert@{name}.timer")
        other = f"{service}-revert@{instead_of}.timer"
        self.control.ask("systemctl", "stop", other, accept=(0, 5))

    def revert(self, old: Installation, why: str) -> None:
        """Have systemd do it, as it would by itself, and wait until it has."""
        trial = read_trial(old.layout)
        if trial and not (self.folder / f"{old.service}-revert@.service").exists():
            self.arm(trial, old, 0)  # agentctl was ended before that
        unit = f"{old.service}-revert@{why}.service"
        self.control.ask("systemctl", "start", unit, accept=(0, 1))
        deadline = time.monotonic() + REVERT_SECONDS
        while standing(old.layout).word == REVERTING and time.monotonic() < deadline:
            time.sleep(0.1)
        if standing(old.layout).word != REVERTED:
            raise CommandFailed(
                f"{old.service}-revert@{why}.service did not bring {old.release.version} back",
                hint=f"look at: journalctl -u '{old.service}-revert@*'; "
                "then run the same command again",
            )

    def disarm(self, layout: Layout, service: str) -> None:
        """Take the units away."""
        del layout
        timers = [self.folder / f"{service}-revert@{name}.timer" for name in (EXPIRED, UNSTARTED)]
        for timer in timers:
            if timer.exists():
                self.control.ask("systemctl", "stop", timer.name, accept=(0, 5))
        drop_ins = self.folder / f"{service}.service.d"
        unit = self.folder / f"{service}-revert@.service"
        ours = (drop_ins / _DROP_IN, *timers, self._wanted(service), unit, *self._kept(service))
        for path in ours:
            path.unlink(missing_ok=True)
        if drop_ins.is_dir() and not any(drop_ins.iterdir()):
            drop_ins.rmdir()
        self.control.sync(self.folder)
        self.control.ask("systemctl", "daemon-reload")

    def _wanted(self, service: str) -> Path:
        return self.folder / f"{self.target}.wants" / f"{service}-revert@{REBOOTED}.service"

    def _at_boot(self, service: str) -> None:
        """Enable the unit, as `systemctl enable` would, but without a reload of its own."""
        link = self._wanted(service)
        link.parent.mkdir(mode=0o755, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(self.folder / f"{service}-revert@.service")

    def _replaced(self, service: str) -> tuple[Path, ...]:
        return (
            self.folder / f"{service}.service",
            self.folder / f"{service}.service.d" / "10-host.conf",
        )

    def _kept(self, service: str) -> tuple[Path, ...]:
        return tuple(_was(path) for path in self._replaced(service))

    def _texts(self, trial: Trial, old: Installation, restarts: int) -> dict[Path, str]:
        service, layout = old.service, old.layout
        values = {
            "service": service,
            "target": self.target,
            "script": _script(layout),
            "agentctl": layout.agentctl,
            "long": _LONG,
            # The first start is one, too.
            "starts": restarts + 1,
        }
        return {
            _script(layout): self._script_text(trial, old, restarts),
            self.folder / f"{service}-revert@.service": _UNIT.format(**values),
            **{
                self.folder / f"{service}-revert@{name}.timer": _TIMER.format(
                    **values, seconds=seconds
                )
                for name, seconds in self._times(trial).items()
            },
            self.folder / f"{service}.service.d" / _DROP_IN: _ON_TRIAL.format(**values),
        }

    def _times(self, trial: Trial) -> dict[str, int]:
        """Give the two times, in seconds: until it is started, the old version may need to end."""
        return {EXPIRED: trial.seconds, UNSTARTED: trial.seconds + ENDING}

    def _script_text(self, trial: Trial, old: Installation, restarts: int) -> str:
        layout, service = old.layout, old.service
        files = [_back(path, place) for path, place in kept(layout)]
        files += [_back(_was(path), path) for path in self._replaced(service)]
        drop_in = self.folder / f"{service}.service.d" / _DROP_IN
        quoted = {
            "trial": layout.trial,
            "drop_in": drop_in,
            "unit": self.folder / f"{service}.service",
        }
        return _SCRIPT.format(
            before=trial.before,
            version=trial.version,
            service=service,
            starts=restarts + 1,
            files="\n".join(files),
            systemctl=shlex.join(["systemctl", *self.control.scope]),
            **{name: shlex.quote(str(path)) for name, path in quoted.items()},
        )


def _script(layout: Layout) -> Path:
    return layout.trial / "revert"


def _back(path: Path, place: Path) -> str:
    """Give the line of the script that puts a file back, or takes away one that was not there."""
    name = shlex.quote(str(place))
    if os.path.lexists(path):
        return f"back {shlex.quote(str(path))} {name}"
    return f"rm -f {name}"


def _was(path: Path) -> Path:
    return path.with_name(path.name + _WAS)


def _keep(path: Path) -> None:
    """Copy the file, so that the copy stays as it is whoever writes to the first."""
    if path.exists() and not _was(path).exists():
        copy_whole(path, _was(path))
