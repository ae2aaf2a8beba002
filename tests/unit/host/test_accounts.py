"""Users of a host, and what has no user."""

from __future__ import annotations

import os

import pytest

from toolkit.host.accounts import this_account
from toolkit.host.errors import UsageError


def test_an_id_without_a_user_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 3_999_999_999)
    with pytest.raises(UsageError, match="user id 3999999999 has no entry"):
        this_account()
