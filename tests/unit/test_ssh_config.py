"""ssh's configuration, with the files that it includes."""

from pathlib import Path

from toolkit.ssh_config import configuration


def test_reads_included_files_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a").write_text("Host web1\n  User first\n", encoding="utf-8")
    (tmp_path / "more" / "b").write_text("Host web*\n  User second\n  Port 2222\n", "utf-8")
    main = tmp_path / "config"
    main.write_text(f"Include {tmp_path}/more/*\nServerAliveInterval 5\nHost gate\n  User bob\n")
    read = configuration(main).base_ssh_config
    assert read.lookup("web1")["user"] == "first"
    assert read.lookup("web1")["port"] == "2222"
    # What follows an Include belongs to no Host line of the included file.
    assert read.lookup("other")["serveraliveinterval"] == "5"
    assert read.lookup("gate")["user"] == "bob"


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    main = tmp_path / "config"
    main.write_text(f"Include {main}\nHost web1\n  User bob\n", encoding="utf-8")
    assert configuration(main).base_ssh_config.lookup("web1")["user"] == "bob"


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert "user" not in configuration(tmp_path / "none").base_ssh_config.lookup("web1")
