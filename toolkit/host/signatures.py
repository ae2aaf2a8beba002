"""Verifies each signature once: by pure Python one takes milliseconds, and roots are read often.

The same signature over the same bytes by the same key is good again; one that is not good raises,
and is not remembered.
"""

from __future__ import annotations

import functools

from toolkit.host._vendor.securesystemslib.signer import _key

_KEPT = 64


def verify_once() -> None:
    """Let python-tuf ask for each signature once in this process; again it changes nothing."""
    if not hasattr(_key.checkvalid, "cache_info"):
        _key.checkvalid = functools.lru_cache(_KEPT)(_key.checkvalid)
