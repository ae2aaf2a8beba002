# Copyright 2013-2026, New York University and the TUF contributors
# SPDX-License-Identifier: MIT OR Apache-2.0

"""TUF."""

# This value is used in the ngclient user agent.
__version__ = "7.0.1"
