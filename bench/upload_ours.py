"""What `bench.upload` times of ours: a process that publishes a folder as `toolkit upload` does."""

from __future__ import annotations

import gc
import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolkit.progress import Silent
from toolkit.publish import publish
from toolkit.store_config import ReadBack, S3Config
from toolkit.stores import open_store
from toolkit.uploads import Absent, Upload


def main(folder: Path, url: str, prefix: str, read_back: ReadBack) -> None:
    """Upload all of `folder`, and make sure of it as `toolkit upload --read-back` does."""
    config = S3Config(type="s3", bucket="bench", endpoint=url, prefix=prefix, read_back=read_back)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_store, config, folder)
        uploads = [upload(path) for path in sorted(folder.iterdir())]
        store = opening.result()
    publish(uploads, store, Silent())


def upload(path: Path) -> Upload:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Upload(path.name, path, path.stat().st_size, sha256, True, Absent())


if __name__ == "__main__":
    gc.set_threshold(50_000)  # as the `toolkit` command does
    source, address, below, manner = sys.argv[1:]
    main(Path(source), address, below, "full" if manner == "full" else "checksum")
