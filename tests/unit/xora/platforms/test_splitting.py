"""Long answers are cut into messages that a platform takes, and nothing is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xora_agent import splitting
from xora_agent.splitting import FENCE, pieces, split, units

LIMIT = 200

_WORDS = st.text(alphabet="abcdefgh éß漢字。😀👩\u200d🚀.!?\"'*_`", min_size=1, max_size=90)
_LINES = st.one_of(
    _WORDS,
    st.sampled_from(["", "", "```", "```python", "````", "   ```sh", "x ``` y", "```a``` b", "\t"]),
    st.text(max_size=60),
)
_TEXTS = st.lists(_LINES, max_size=60).map("\n".join)


def _bare(text: str) -> str:
    """Leave out what may be lost: white space, fences, and halves of characters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\s|`{3,}", "", whole)


@given(_TEXTS, st.sampled_from([64, LIMIT, 2000]))
def test_pieces_fit_and_lose_nothing(text: str, limit: int) -> None:
    found = list(pieces(text, limit))
    assert all(0 < units(str(piece)) <= limit for piece in found)
    assert all(str(piece).strip() for piece in found)
    assert all(len(FENCE.findall(str(piece))) % 2 == 0 for piece in found)
    # Put together, a single backtick and a fence after it would look like one fence.
    whole = {_bare(between.join(piece.body for piece in found)) for between in ("", "\n")}
    assert _bare(text) in whole


@given(_TEXTS)
def test_short_texts_stay_whole(text: str) -> None:
    balanced = len(FENCE.findall(text)) % 2 == 0
    if balanced and text.strip() and units(text) <= 2000:
        assert len(split(text, 2000)) == 1


@given(st.text(alphabet="😀a", min_size=1, max_size=3000))
def test_units_are_what_telegram_counts(text: str) -> None:
    assert units(text) == len(text.encode("utf-16-le")) // 2
    assert "".join(split(text, LIMIT)) == text


def test_it_cuts_between_paragraphs_before_lines_sentences_and_words() -> None:
    sentence = "Here is what it says. " * 4
    paragraph = f"{sentence}\n{sentence}"
    assert split(f"{paragraph}\n\n{sentence}", LIMIT) == [paragraph.rstrip(), sentence.rstrip()]
    assert split(f"{sentence}\n{sentence}{sentence}", LIMIT)[0] == sentence.rstrip()
    assert split(sentence * 4, LIMIT)[0].endswith("says.")
    assert split("word " * 80, LIMIT)[0].endswith("word")
    assert [len(piece) for piece in split("x" * 450, LIMIT)] == [196, 196, 58]


def test_a_paragraph_far_in_front_does_not_make_a_tiny_message() -> None:
    first, *_ = split("Yes.\n\n" + "word " * 80, LIMIT)
    assert len(first) > LIMIT / 2


def test_a_code_block_is_closed_and_opened_again_with_its_language() -> None:
    code = "".join(f"print({number})\n" for number in range(60))
    first, second, *rest = split(f"Look:\n```python\n{code}```\nThat was it.", LIMIT)
    assert first.startswith("Look:\n```python\nprint(0)\n")
    assert first.endswith(")\n```")
    assert second.startswith("```python\nprint(")
    assert rest[-1].endswith("```\nThat was it.")


def test_a_code_block_that_fits_goes_whole_into_the_next_message() -> None:
    code = "```sh\n" + "echo hello\n" * 10 + "```"
    text = "Some words of an introduction. " * 4 + "\n" + code
    assert split(text, LIMIT)[1] == code


def test_a_block_whose_end_alone_is_left_makes_no_empty_block() -> None:
    for length in range(150, 220):
        for piece in split("```\n" + "x" * length + "\n```", LIMIT):
            assert "x" in piece


def test_an_open_code_block_is_closed() -> None:
    assert split("```\nnever closed", LIMIT) == ["```\nnever closed\n```"]


def test_indentation_stays_after_a_cut() -> None:
    text = "- a list of things\n" * 9 + "    - one below\n" + "- and on\n" * 5
    assert "\n".join(split(text, LIMIT)) == text.rstrip()


def test_a_character_of_several_parts_stays_whole() -> None:
    family = "👩\u200d👩\u200d👧"
    for piece in split("ab" + family * 60, LIMIT):
        assert not piece.startswith("\u200d")
        assert not piece.endswith("\u200d")


@pytest.mark.parametrize("text", ["", "   ", "\n\n \t\n"])
def test_nothing_gives_no_message(text: str) -> None:
    assert split(text, LIMIT) == []


def test_halves_of_characters_are_replaced() -> None:
    assert split("a\ud83db", LIMIT) == ["a\ufffdb"]
    assert split("\ud83d\ude00", LIMIT) == ["😀"]


def test_a_limit_too_small_for_a_code_block_is_refused() -> None:
    with pytest.raises(ValueError, match="64"):
        split("text", 10)


def test_four_times_the_text_is_four_times_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0

    def counted(name: str) -> None:
        real = getattr(splitting, name)

        def count(*given: str | int) -> object:
            nonlocal looked_at
            looked_at += sum(len(each) for each in given if isinstance(each, str))
            return real(*given)

        monkeypatch.setattr(splitting, name, count)

    def work(text: str) -> int:
        nonlocal looked_at
        looked_at = 0
        assert len(split(text, 2000)) > 10
        return looked_at

    for name in ("units", "_is_open", "_cut"):
        counted(name)
    text = "Here is what it says. It says more.\n" * 1000
    assert work(text * 4) < 5 * work(text)
