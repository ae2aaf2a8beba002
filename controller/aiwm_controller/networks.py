"""Networks, as settings name them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Read networks such as 10.0.0.0/8 or 127.0.0.1; raises ValueError."""
    return tuple(ipaddress.ip_network(word.strip()) for word in words if word.strip())
