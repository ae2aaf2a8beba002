"""Which keys of hosts are known."""

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path

from toolkit.known_hosts import KnownHosts, fingerprint


def key(folder: Path, name: str) -> str:
    """Make a key and give the two words of its public half."""
    file = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(argv, check=True)
    return " ".join(file.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


def known(folder: Path, *lines: str) -> KnownHosts:
    file = folder / "known_hosts"
    file.write_text("\n".join(lines), encoding="utf-8")
    return KnownHosts([folder / "absent", file])


def test_finds_keys_by_name_and_port(tmp_path: Path) -> None:
    one, two = key(tmp_path, "one"), key(tmp_path, "two")
    hosts = known(tmp_path, "# a comment", "", f"web1,10.0.0.1 {one} who", f"[web1]:2222 {two}")
    assert hosts.of("web1", 22)["ssh-ed25519"].get_base64() == one.split()[1]
    assert hosts.of("10.0.0.1", 22).keys() == {"ssh-ed25519"}
    assert hosts.of("web1", 2222)["ssh-ed25519"].get_base64() == two.split()[1]
    assert hosts.of("web2", 22) == {}


def test_finds_hashed_names(tmp_path: Path) -> None:
    salt = b"s" * 20
    digest = hmac.new(salt, b"web1", hashlib.sha1).digest()
    name = "|".join(["", "1", *(base64.b64encode(part).decode() for part in (salt, digest))])
    assert known(tmp_path, f"{name} {key(tmp_path, 'one')}").of("web1", 22)


def test_a_revoked_key_is_no_key(tmp_path: Path) -> None:
    one = key(tmp_path, "one")
    assert known(tmp_path, f"web1 {one}", f"@revoked * {one}").of("web1", 22) == {}


def test_passes_over_what_it_cannot_read(tmp_path: Path) -> None:
    good = f"web1 {key(tmp_path, 'one')}"
    lines = ["web1", "web1 ssh-new AAAA", "web1 ssh-ed25519 AAAA", "@cert-authority * ssh-rsa A"]
    assert known(tmp_path, *lines, good).of("web1", 22).keys() == {"ssh-ed25519"}


def test_gives_fingerprints_as_ssh_keygen_does(tmp_path: Path) -> None:
    found = known(tmp_path, f"web1 {key(tmp_path, 'one')}").of("web1", 22)["ssh-ed25519"]
    argv = ["ssh-keygen", "-lf", str(tmp_path / "one.pub")]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert fingerprint(found) == printed.split()[1]
