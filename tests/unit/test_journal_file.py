from pathlib import Path

from toolkit.journal_file import hold


def test_what_was_remembered_is_there_for_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / ".a.upload"
    with hold(path) as journal:
        assert journal.read() == b""
        journal.write(b"a longer text")
        journal.write(b"short")
    with hold(path) as journal:
        assert journal.read() == b"short"
        journal.remove()
    assert not path.exists()


def test_an_empty_one_is_not_kept(tmp_path: Path) -> None:
    with hold(tmp_path / ".a.upload"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_another_process_at_work_remembers_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".a.upload"
    with hold(path) as first:
        first.write(b"first")
        with hold(path) as second:
            assert second.read() == b""
            second.write(b"second")
            second.remove()
        assert first.read() == b"first"
    assert path.read_bytes() == b"first"


def test_a_folder_that_can_not_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    with hold(tmp_path / "gone" / ".a.upload") as journal:
        journal.write(b"text")
        assert journal.read() == b""
    with hold(None) as journal:
        assert journal.read() == b""
