"""Which of a release's files a host begins with."""

from __future__ import annotations

from toolkit.host.delta import Base
from toolkit.host.fetch import Source
from toolkit.host.forms import Form, smallest
from toolkit.host.tarwriter import Digest

TAR = Digest(900, "ab" * 32)
WHOLE = Source("https://store.example.com/gz", "ab" * 32, 500)


def form(size: int | None, base: str | None = None) -> Form:
    start = Base(base, TAR) if base else None
    return Form(Source("https://store.example.com/x", "cd" * 32, size), TAR, start)


def test_nothing_is_offered() -> None:
    assert smallest([], WHOLE, {"1.0"}) == (None, None)


def test_the_smallest_delta_of_those_whose_base_is_installed() -> None:
    forms = [form(400), form(90, "1.0"), form(80, "1.1"), form(10, "1.2")]
    assert smallest(forms, WHOLE, {"1.0", "1.1"}) == (forms[2], forms[0])
    assert smallest(forms, WHOLE, {"1.0"}) == (forms[1], forms[0])
    assert smallest(forms, WHOLE, set()) == (None, forms[0])


def test_a_delta_that_saves_nothing_is_not_taken() -> None:
    forms = [form(400), form(400, "1.0")]
    assert smallest(forms, WHOLE, {"1.0"}) == (None, forms[0])
    assert smallest(forms[1:], WHOLE, {"1.0"}) == (forms[1], None)
    assert smallest([form(500, "1.0")], WHOLE, {"1.0"}) == (None, None)
