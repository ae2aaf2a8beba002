"""`agentctl logs` where a log is a file: which lines, and what is added later."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.installed import put_service
from toolkit import engine
from toolkit.host import cli
from toolkit.host.errors import UsageError
from toolkit.host.layout import Layout
from toolkit.host.logs import WINDOW, printable
from toolkit.host.since import parse_since, written_at

NOW = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return put_service(tmp_path / "tiny")


def logs(layout: Layout, *words: str) -> int:
    return cli.main(["logs", "--home", str(layout.home), *words])


def test_the_last_lines_of_a_long_log(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"line {number} {'x' * 100}" for number in range(3 * WINDOW // 100)]
    (layout.logs / "agent.log").write_text("\n".join(lines) + "\n", "utf-8")
    assert logs(layout, "-n", "1000") == 0
    assert capsys.readouterr().out.splitlines() == lines[-1000:]
    assert logs(layout) == 0
    assert capsys.readouterr().out.splitlines() == lines[-100:]
    assert logs(layout, "-n", "0") == 0
    assert capsys.readouterr().out == ""


def test_no_log_yet_is_no_fault(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    assert logs(layout) == 0
    assert capsys.readouterr().out == ""


def test_since_a_time_lines_without_one_belong_to_the_line_before(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    (layout.logs / "agent.log").write_text(
        "2026-05-05 10:00:00 +00:00: old\n  of old\n"
        '{"level":"info","time":"2026-05-05T11:30:00.123Z","msg":"new"}\n  of new\n',
        "utf-8",
    )
    assert logs(layout, "--since", "2026-05-05T11:00:00Z") == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  of new"]


def test_since_where_no_line_has_a_time(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    (layout.logs / "agent.log").write_text("started\n", "utf-8")
    assert logs(layout, "--since", "1h") == UsageError.exit_code
    assert "do not say when they were written" in capsys.readouterr().err


def test_the_two_files_of_pm2_are_one_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = put_service(tmp_path / "tiny", manager="pm2")
    (layout.logs / "pm2-out.log").write_text(
        "2026-05-05 10:00:00 +00:00: one\n2026-05-05 10:00:02 +00:00: three\n", "utf-8"
    )
    (layout.logs / "pm2-error.log").write_text("2026-05-05 12:00:01 +02:00: two\n", "utf-8")
    assert logs(layout) == 0
    said = [line.rpartition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said == ["one", "two", "three"]


def test_a_link_in_the_services_folder_is_not_followed(
    layout: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "shadow").write_text("secret\n", "utf-8")
    (layout.logs / "agent.log").symlink_to(tmp_path / "shadow")
    assert logs(layout) == 1
    printed = capsys.readouterr()
    assert "is a link: it is not read" in printed.err
    assert "secret" not in printed.out


def test_following_shows_what_comes_also_after_a_rotation_and_ends_quietly(
    layout: Layout, tmp_path: Path
) -> None:
    log = layout.logs / "agent.log"
    log.write_text("before\n", "utf-8")
    agentctl = tmp_path / "agentctl"
    agentctl.write_bytes(engine.build().data)
    command = [sys.executable, str(agentctl), "logs", "-f", "--home", str(layout.home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stderr
        assert running.stdout.readline() == b"before\n"
        with log.open("a", encoding="utf-8") as file:
            file.write("half")
            file.flush()
            file.write(" and half\n")
        assert running.stdout.readline() == b"half and half\n"
        log.rename(layout.logs / "agent.log.1")
        log.write_text("after rotation\n", "utf-8")
        assert running.stdout.readline() == b"after rotation\n"
        log.write_text("emptied\n", "utf-8")
        assert running.stdout.readline() == b"emptied\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert (running.stdout.read(), running.stderr.read()) == (b"", b"")


def test_a_reader_that_has_seen_enough_is_no_fault(layout: Layout, tmp_path: Path) -> None:
    (layout.logs / "agent.log").write_text("line\n" * 100_000, "utf-8")
    agentctl = tmp_path / "agentctl"
    agentctl.write_bytes(engine.build().data)
    command = f"{sys.executable} {agentctl} logs -n 100000 --home {layout.home} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("line\n", "")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30s", NOW - timedelta(seconds=30)),
        ("10m", NOW - timedelta(minutes=10)),
        ("10 min", NOW - timedelta(minutes=10)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-05-04T10:00:00Z", datetime(2026, 5, 4, 10, tzinfo=UTC)),
        ("2026-05-04", datetime(2026, 5, 4).astimezone()),
    ],
)
def test_times_that_people_write(text: str, found: datetime) -> None:
    assert parse_since(text, NOW) == found


def test_what_is_no_time() -> None:
    with pytest.raises(UsageError, match="'soon' is no time"):
        parse_since("soon", NOW)


def test_times_that_can_not_be() -> None:
    assert written_at("2026-13-45 99:00:00 what") is None
    assert written_at("no time at all") is None


def test_a_log_can_not_write_to_the_terminal() -> None:
    assert (
        printable("\x1b[31mred\x1b[0m \x1b]0;title\x07 \ttab\r") == "red \\x1b]0;title\\x07 \ttab"
    )
