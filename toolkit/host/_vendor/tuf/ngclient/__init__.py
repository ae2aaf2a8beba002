# Copyright 2021-2025, New York University and the TUF contributors
# SPDX-License-Identifier: MIT OR Apache-2.0

"""TUF client public API."""

from toolkit.host._vendor.tuf.api.metadata import TargetFile
from toolkit.host._vendor.tuf.ngclient.config import UpdaterConfig
from toolkit.host._vendor.tuf.ngclient.fetcher import FetcherInterface
from toolkit.host._vendor.tuf.ngclient.updater import Updater

__all__ = [  # noqa: PLE0604
    FetcherInterface.__name__,
    TargetFile.__name__,
    Updater.__name__,
    UpdaterConfig.__name__,
]
