"""The other files that hold a release: the same tar, compressed by Zstandard, and deltas to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from toolkit.host.delta import Base
from toolkit.host.fetch import Source
from toolkit.host.tarwriter import Digest


@dataclass(frozen=True)
class Form:
    """A published file that gives the tar `tar`; a delta starts from `base`."""

    source: Source
    tar: Digest
    base: Base | None = None


def smallest(
    forms: Iterable[Form], whole: Source, installed: Collection[str]
) -> tuple[Form | None, Form | None]:
    """Give the smallest delta from a version in `installed`, and the smallest whole form.

    The delta is None where none would move less than a whole form or `whole` itself does.
    """
    found = sorted(forms, key=_size)
    whole_form = next((form for form in found if form.base is None), None)
    sizes = [source.size for source in (whole, whole_form and whole_form.source) if source]
    limit = min((size for size in sizes if size is not None), default=None)
    deltas = (
        form
        for form in found
        if form.base is not None
        and form.base.version in installed
        and (limit is None or _size(form) < limit)
    )
    return next(deltas, None), whole_form


def _size(form: Form) -> int:
    return form.source.size or 0
