"""Addresses without what in them may be a secret."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def public(address: str) -> str:
    """Give a URL without user, password, query and fragment; a folder stays as it is."""
    if "://" not in address:
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
