"""A patch release of Verdaccio, one file changed: what a host moves, and how long it takes.

Its peer is the full .tar.zst. The host's side is timed in a process of its own: rebuilding the
old tar from the installed release, applying the delta, and checking both hashes.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.pack import TOP, make_tree, own_peak
from toolkit.archive import DEFAULT_EPOCH, Archive, Sinks, build_archive
from toolkit.delta import make_patch
from toolkit.dist import digest_of
from toolkit.host.decompress import open_zstd
from toolkit.host.delta import Base, Delta, apply, parse_delta
from toolkit.host.manifest import PATH as MANIFEST
from toolkit.host.manifest import dump_manifest
from toolkit.host.unpack import seal, unpack
from toolkit.tree import entry, walk

RUNS = 5
SHARE, SECONDS, ZSTD_SHARE = 0.01, 1.5, 0.8


def main() -> None:
    if len(sys.argv) == 2:
        print(json.dumps(on_host(Path(sys.argv[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="toolkit-bench-") as name:
        work = Path(name)
        measure(make_tree(work), work)


def measure(tree: Path, work: Path) -> None:
    old = pack(tree, work / "old", "1.0.0")
    changed = tree / "node_modules" / "verdaccio" / "package.json"
    changed.write_text(changed.read_text("utf-8").replace('"version": "', '"version": "1'), "utf-8")
    new = pack(tree, work / "new", "1.0.1")
    began = time.perf_counter()
    patch = make_patch(content(work / "old.tar.zst"), content(work / "new.tar.zst"))
    made = time.perf_counter() - began
    (work / "delta").write_bytes(patch)
    found = digest_of(work / "delta")
    if found is None or old.zstd is None or new.zstd is None:
        raise SystemExit("nothing was written")
    delta = Delta(Base("1.0.0", old.tar), new.tar, found)
    (work / "delta.json").write_text(json.dumps(delta.to_json()), "utf-8")
    unpack(work / "old.tar.gz", work / "installed")
    seal(work / "installed")
    words = [sys.executable, "-m", "bench.delta", str(work)]
    rows = [json.loads(subprocess.check_output(words, cwd=TOP, text=True)) for _ in range(RUNS)]
    seconds = statistics.median(row["seconds"] for row in rows)
    share, packed = len(patch) / new.zstd.size, new.zstd.size / new.gzip.size
    print(f".tar.gz {new.gzip.size / 1e6:.1f} MB, .tar.zst {new.zstd.size / 1e6:.1f} MB")
    print(f"delta {len(patch) / 1e3:.1f} kB, made in {made:.2f} s")
    for figure, goal, held in (
        (f".tar.zst is {packed:.3f} of .tar.gz", f"at most {ZSTD_SHARE}", packed <= ZSTD_SHARE),
        (f"delta is {share:.3%} of .tar.zst", f"at most {SHARE:.0%}", share <= SHARE),
        (f"applied in {seconds:.2f} s", "about a second", seconds <= SECONDS),
    ):
        print(f"{figure} (goal: {goal}; {'held' if held else 'MISSED'})")
    memory = max(row["memory"] for row in rows) / 1e6
    print(f"peak memory of agentctl {memory:.0f} MB, of zstd {rows[0]['zstd'] / 1e6:.0f} MB")


def pack(tree: Path, name: Path, version: str) -> Archive:
    entries = [entry(found.file, found.path, "") for found in walk(tree) if found.path != MANIFEST]
    with Path(f"{name}.tar.gz").open("wb") as gz, Path(f"{name}.tar.zst").open("wb") as zst:
        return build_archive(
            entries,
            Sinks(gz, zst),
            epoch=DEFAULT_EPOCH,
            manifest=lambda files: dump_manifest("verdaccio", version, None, files),
        )


def content(file: Path) -> bytes:
    with open_zstd(file) as stream:
        return stream.read()


def on_host(work: Path) -> dict[str, float]:
    delta = parse_delta(json.loads((work / "delta.json").read_text("utf-8")))
    began = time.perf_counter()
    apply(delta, work / "delta", work / "installed", work / "result.tar")
    seconds = time.perf_counter() - began
    program = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"seconds": seconds, "memory": own_peak(), "zstd": program}


if __name__ == "__main__":
    main()
