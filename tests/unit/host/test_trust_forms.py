"""Signed metadata offers a release in more forms than one: which of them a host may use."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.signed_store import SignedStore, release
from tests.unit.host.test_trust_choice import STABLE, host, offer
from toolkit.host import console
from toolkit.host.choice import Offer, Wanted, choose
from toolkit.host.delta import Base, DeltaUnusable, parse_base
from toolkit.host.fetch import Source
from toolkit.host.forms import Form
from toolkit.host.locate import Located, trusted
from toolkit.host.target import Rollout, Tar, Target
from toolkit.host.tarwriter import DEFAULT_EPOCH, Digest

TAR = Tar(900, "ab" * 32)
FROM = {"version": "0.9.0", "tar": {"size": 800, "sha256": "cd" * 32}}
WHOLE = offer("1.0.0", compression="gzip", tar=TAR)
ZSTD = replace(offer("1.0.0", compression="zstd", tar=TAR), file="zst")
DELTA = replace(
    offer("1.0.0", kind="delta", compression="zstd", tar=TAR, source=FROM), file="delta"
)


def others(*offers: Offer) -> list[str]:
    found = choose(offers, Wanted("tiny", "1.0.0"), host())
    assert found.file == WHOLE.file
    return [each.file for each in found.others]


def test_the_same_tar_in_other_forms() -> None:
    assert others(WHOLE) == []
    assert others(DELTA, WHOLE, ZSTD) == ["delta", "zst"]


def test_a_channel_has_them_too() -> None:
    channels = {"stable": Rollout()}
    offers = [replace(each, target=replace(each.target, channels=channels)) for each in (ZSTD,)]
    whole = replace(WHOLE, target=replace(WHOLE.target, channels=channels))
    assert choose([whole, *offers, DELTA], STABLE, host()).others == (*offers, DELTA)


@pytest.mark.parametrize(
    "values",
    [
        {"version": "1.0.1"},
        {"name": "other"},
        {"platform": "linux-x64"},
        {"tar": None},
        {"tar": Tar(900, "ef" * 32)},
        {"kind": "sbom"},
        {"compression": "brotli"},
        {"compression": None},
        {"yanked": "broken"},
        {"minimum_agentctl": "9.0.0"},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("other", [ZSTD, DELTA], ids=["zstd", "delta"])
def test_what_is_something_else_is_left_alone(other: Offer, values: dict[str, object]) -> None:
    changed = replace(other, target=replace(other.target, **values))  # type: ignore[arg-type]
    assert others(WHOLE, changed) == []


def test_without_a_signed_tar_nothing_is_the_same() -> None:
    whole, zstd = (replace(each, target=replace(each.target, tar=None)) for each in (WHOLE, ZSTD))
    assert others(whole, zstd) == []


def test_where_a_delta_starts() -> None:
    base = Base("0.9.0", Digest(800, "cd" * 32))
    assert parse_base(FROM) == base
    assert base.epoch == DEFAULT_EPOCH
    assert parse_base({**FROM, "epoch": 5}) == replace(base, epoch=5)
    wrong: list[Any] = [{}, [], {"version": "1"}, {**FROM, "epoch": "x"}, {**FROM, "tar": 5}]
    for each in wrong:
        with pytest.raises(DeltaUnusable):
            parse_base(each)


@pytest.fixture
def signed(tmp_path: Path) -> SignedStore:
    signed = SignedStore(tmp_path / "store")
    signed.add("tiny-v1.0.0.tar.gz", b"gz", release("1.0.0", tar=TAR))
    signed.add("tiny-v1.0.0.tar.zst", b"zst", release("1.0.0", tar=TAR, compression="zstd"))
    delta = replace(release("1.0.0", tar=TAR, compression="zstd"), kind="delta", source=FROM)
    signed.add("tiny-v1.0.0.from-v0.9.0.tar.zst", b"delta", delta)
    wrong = replace(delta, source={"from": "elsewhere"})
    signed.add("tiny-v1.0.0.from-v0.8.0.tar.zst", b"wrong", wrong)
    signed.publish()
    return signed


def located(tmp_path: Path, signed: SignedStore) -> Located:
    root, home = tmp_path / "root.json", tmp_path / "home"
    root.write_bytes(signed.root_bytes())
    home.mkdir()
    return trusted(home, str(signed.folder), root, Wanted("tiny", "1.0.0"), console.clock)


def form(signed: SignedStore, name: str, data: bytes, base: Base | None = None) -> Form:
    sha256 = hashlib.sha256(data).hexdigest()
    source = Source((signed.folder / name).as_uri(), sha256, len(data))
    return Form(source, Digest(TAR.size, TAR.sha256), base)


def test_each_form_has_its_signed_length_and_hash(tmp_path: Path, signed: SignedStore) -> None:
    found = located(tmp_path, signed)
    assert found.source == form(signed, "tiny-v1.0.0.tar.gz", b"gz").source
    base = Base("0.9.0", Digest(800, "cd" * 32))
    assert set(found.forms) == {
        form(signed, "tiny-v1.0.0.tar.zst", b"zst"),
        form(signed, "tiny-v1.0.0.from-v0.9.0.tar.zst", b"delta", base),
    }


def test_a_file_that_another_role_speaks_for_first_is_left_out(
    tmp_path: Path, signed: SignedStore
) -> None:
    name = "tiny-v1.0.0.tar.zst"
    other = signed.roles["tiny"].signed.targets[name].to_dict()
    other["custom"] = Target("sbom", "tiny", "1.0.0").to_custom()
    signed.targets.signed.targets[name] = type(signed.roles["tiny"].signed.targets[name]).from_dict(
        other, name
    )
    signed.publish()
    found = located(tmp_path, signed)
    assert [each.base is not None for each in found.forms] == [True]
