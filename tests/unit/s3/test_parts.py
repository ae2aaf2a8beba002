from hashlib import md5

import pytest

from toolkit.s3.parts import MIB, Journal, cut, dump_journal, holds, parse_journal, part_size

JOURNAL = Journal("https://x s3://b/k", "id", "ab" * 32, 5, 16 * MIB, "{}")


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (1, 16 * MIB),
        (160_000 * MIB, 16 * MIB),
        (160_000 * MIB + 1, 17 * MIB),
        (5 * 1024**4, 525 * MIB),
    ],
)
def test_there_are_ten_thousand_parts_at_most(size: int, part: int) -> None:
    assert part_size(size) == part
    assert -(-size // part) <= 10_000


def test_all_parts_but_the_last_are_equal() -> None:
    parts = list(cut(25, 10))
    assert [(part.number, part.start, part.length) for part in parts] == [
        (1, 0, 10),
        (2, 10, 10),
        (3, 20, 5),
    ]


def test_a_part_is_known_by_its_etag() -> None:
    etag = md5(b"data", usedforsecurity=False).hexdigest()
    assert holds(f'"{etag}"', b"data")
    assert not holds(f'"{etag}"', b"date")
    assert not holds('"encrypted-by-another-key"', b"data")


def test_a_journal_is_read_back() -> None:
    assert parse_journal(dump_journal(JOURNAL)) == JOURNAL


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b"\xff", b'{"place": 1}'])
def test_what_is_no_journal_is_left_alone(text: bytes) -> None:
    assert parse_journal(text) is None


def test_a_journal_fits_the_same_bytes_and_headers_only() -> None:
    wanted = Journal(**{**JOURNAL.__dict__, "upload_id": ""})
    assert JOURNAL.fits(wanted)
    for field, value in (
        ("sha256", "cd"),
        ("size", 6),
        ("part", 1),
        ("headers", ""),
        ("place", ""),
    ):
        assert not JOURNAL.fits(Journal(**{**wanted.__dict__, field: value}))
