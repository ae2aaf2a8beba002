"""What agentctl does not do twice when it starts: most of a call that changes nothing is that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from toolkit import engine
from toolkit.host._vendor.securesystemslib._vendor.ed25519.ed25519 import SignatureMismatch
from toolkit.host._vendor.securesystemslib.signer import _key
from toolkit.host.signatures import verify_once

COUNT = """
import collections, json, runpy, sys
seen = collections.Counter()
def hook(event, args):
    if event == "compile" and str(args[1]).startswith(sys.argv[0] + "/"):
        seen[args[1]] += 1
sys.argv = sys.argv[1:]
sys.addaudithook(hook)
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit:
    print(json.dumps(seen))
"""


@pytest.fixture(scope="session")
def agentctl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("agentctl") / "agentctl"
    file.write_bytes(engine.build().data)
    return file


def test_each_module_is_compiled_once(agentctl: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", COUNT, str(agentctl), "status", "--home", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert f"{agentctl}/toolkit/host/__init__.py" in seen
    assert f"{agentctl}/toolkit/host/cli.py" in seen
    del seen[f"{agentctl}/__main__.py"]  # it is what Python finds by itself
    assert set(seen.values()) == {1}, seen


def test_a_signature_is_verified_once_and_a_bad_one_never_passes() -> None:
    # RFC 8032, section 7.1, test 1: an empty message.
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
        "cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    verify_once()
    verify_once()
    check: Any = _key.checkvalid
    for _ in range(2):
        check(signature, b"", key)
    assert check.cache_info().hits >= 1
    for _ in range(2):
        with pytest.raises(SignatureMismatch):
            check(signature, b"another", key)
