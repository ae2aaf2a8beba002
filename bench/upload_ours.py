"""What `bench.upload` times of ours: a process that publishes a folder as `toolkit upload` does."""

from __future__ import annotations

import gc
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolkit.progress import Silent
from toolkit.publish import publish
from toolkit.store_config import S3Config
from toolkit.stores import open_store
from toolkit.uploads import Absent, Upload


def main(folder: Path, url: str, prefix: str, how: str) -> None:
    """Upload all of `folder`; `how` is `read-back`, or `send` for sending without reading back."""
    config = S3Config(type="s3", bucket="bench", endpoint=url, prefix=prefix)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, config, folder)
        uploads = [upload(path) for path in sorted(folder.iterdir())]
        store = opening.result()
    if how == "read-back":
        publish(uploads, store, Silent())
        return
    store.names()  # as publishing does first
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: store.write(one, lambda _: None), uploads))


def upload(path: Path) -> Upload:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload(path.name, path, path.stat().st_size, sha256, True, Absent())


if __name__ == "__main__":
    gc.set_threshold(50_000)  # as the `toolkit` command does
    main(Path(sys.argv[1]), *sys.argv[2:])
