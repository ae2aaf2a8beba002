"""Provenance: an in-toto statement that says what was built, and nothing of when or where."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner

from toolkit.errors import IntegrityError
from toolkit.provenance import (
    Origin,
    Provenance,
    bare,
    envelope,
    parse,
    signed_by,
    statement,
)
from toolkit.trust.model import Delegation

SUM = "ab" * 32
ORIGIN = Origin(
    name="agent",
    version="1.2.0",
    platform="linux-x64",
    epoch=315532800,
    toolkit="0.1.0",
    source="npm:tool@1.2.0",
    locks={"release/locks/agent/package-lock.json": SUM},
    release_file="cd" * 32,
    commit="ef" * 20,
    dirty=True,
    path="sub",
)
SUBJECTS = {"agent-v1.2.0-linux-x64.tar.zst": "34" * 32, "agent-v1.2.0-linux-x64.tar.gz": "12" * 32}


def test_a_statement() -> None:
    data = json.loads(statement(ORIGIN, SUBJECTS))
    assert data["_type"] == "https://in-toto.io/Statement/v1"
    assert data["predicateType"] == "https://slsa.dev/provenance/v1"
    assert data["subject"][0] == {
        "name": "agent-v1.2.0-linux-x64.tar.gz",
        "digest": {"sha256": "12" * 32},
    }
    definition = data["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {"name": "release/agent.toml", "digest": {"sha256": "cd" * 32}},
        {"name": "release/locks/agent/package-lock.json", "digest": {"sha256": SUM}},
        {"name": "commit", "digest": {"gitCommit": "ef" * 20}},
    ]
    assert definition["internalParameters"] == {"dirty": True, "path": "sub"}
    assert "metadata" not in data["predicate"]["runDetails"]


@pytest.mark.parametrize(
    "origin",
    [ORIGIN, replace(ORIGIN, commit=None, release_file=None, dirty=False, path="", locks={})],
)
def test_what_is_written_is_read(origin: Origin) -> None:
    assert parse(statement(origin, SUBJECTS)) == Provenance(origin, SUBJECTS)


def test_the_same_bytes_each_time_signed_or_not() -> None:
    signer = CryptoSigner.generate_ed25519()
    text = statement(ORIGIN, SUBJECTS)
    assert text == statement(ORIGIN, dict(reversed(SUBJECTS.items())))
    assert envelope(text, [signer]) == envelope(text, [signer])
    other = CryptoSigner.generate_ed25519()
    assert envelope(text, [signer, other]) == envelope(text, [other, signer])


def test_an_envelope_is_signed_and_read() -> None:
    signer, other = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    text = envelope(statement(ORIGIN, SUBJECTS), [signer])
    data = json.loads(text)
    assert data["payloadType"] == "application/vnd.in-toto+json"
    Envelope.from_dict(json.loads(text)).verify([signer.public_key], 1)
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(text)).verify([other.public_key], 1)
    data["payload"] = base64.b64encode(b"{}").decode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(data).verify([signer.public_key], 1)
    assert parse(text).origin == ORIGIN
    assert bare(text) == statement(ORIGIN, SUBJECTS)


def test_only_enough_keys_of_the_role_count() -> None:
    one, two, other = (CryptoSigner.generate_ed25519() for _ in range(3))
    text = statement(ORIGIN, SUBJECTS)
    by = Delegation("agent", {each.public_key.keyid: each.public_key for each in (one, two)}, 2)
    assert signed_by(envelope(text, [one, two]), by)
    assert not signed_by(envelope(text, [one, other]), by)
    assert not signed_by(text, by)
    data = json.loads(envelope(text, [one, two]))
    data["signatures"][0]["sig"] = data["signatures"][1]["sig"]
    assert not signed_by(json.dumps(data), by)


def test_an_envelope_of_another_kind_is_none() -> None:
    text = envelope(statement(ORIGIN, SUBJECTS), [CryptoSigner.generate_ed25519()])
    with pytest.raises(IntegrityError, match="no provenance of a release"):
        parse(text.replace("vnd.in-toto", "vnd.other"))


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "[]",
        "{}",
        '{"payload": 1}',
        '{"payload": "!"}',
        statement(ORIGIN, SUBJECTS).replace("slsa.dev", "example.com"),
        statement(ORIGIN, SUBJECTS).replace("release:v1", "release:v9"),
        statement(ORIGIN, SUBJECTS).replace('"epoch"', '"eons"'),
        statement(replace(ORIGIN, commit="--orphan"), SUBJECTS),
        statement(replace(ORIGIN, path="a/../../b"), SUBJECTS),
        statement(replace(ORIGIN, path="/etc"), SUBJECTS),
    ],
)
def test_what_is_no_provenance(text: str) -> None:
    with pytest.raises(IntegrityError, match="no provenance of a release"):
        parse(text)
