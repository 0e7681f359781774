"""Signatures by certificates of the hour, in the old form and the new."""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidRequest, Untrusted
from bpfman_core.image.descriptor import Descriptor
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.image.reference import Reference
from bpfman_core.image.repository import signature_tag
from bpfman_core.image.signing import simple
from bpfman_core.image.source import find
from tests.image import sigstore_world
from tests.image.signers import (
    ELSEWHERE,
    FIXTURES,
    HOME,
    IDENTITY,
    ISSUER,
    KEYS,
    WHO,
    compact,
    envelope_bundle,
    keys,
    statement,
    trusted,
)
from tests.image.sigstore_world import World


@pytest.mark.parametrize("identity", [IDENTITY, '_regexp = ".*@example[.]org"'])
@pytest.mark.parametrize("issuer", [ISSUER, '_regexp = "https://.*"'])
def test_a_certificate(configured, identity, issuer):
    source = ImageSource(f"{HOME}/keyless:1")
    assert find(source, configured(trusted(identity, issuer))).signature == WHO


@pytest.mark.parametrize(
    ("identity", "issuer"),
    [
        (' = "another@example.org"', ISSUER),
        (IDENTITY, ' = "https://other.example"'),
        ('_regexp = "spike@example"', ISSUER),
        ('_regexp = "example.org"', ISSUER),
    ],
)
def test_a_certificate_of_somebody_else(configured, identity, issuer):
    with pytest.raises(Untrusted, match=r"by spike@example\.org \(of https://issuer\.example\)"):
        find(ImageSource(f"{HOME}/keyless:1"), configured(trusted(identity, issuer)))


@pytest.fixture
def keyless(tmp_path):
    """Changes the annotations of the signature by certificate; gives the image's URL."""

    def made(change) -> str:
        shutil.copytree(FIXTURES / "third-party-images", tmp_path / "copy")
        layout = Layout(tmp_path / "copy")
        index = json.loads(layout.index_path.read_bytes())
        row = next(r for r in index["manifests"] if "keyless:sha256" in str(r["annotations"]))
        manifest = json.loads(layout.blob_path(row["digest"]).read_bytes())
        change(manifest["layers"][0]["annotations"])
        data = compact(manifest)
        new = Descriptor.of(row["mediaType"], data)
        layout.blob_path(new.digest).write_bytes(data)
        row |= {"digest": new.digest, "size": new.size}
        layout.index_path.write_text(json.dumps(index))
        return f"oci:{layout.directory}:quay.io/bpfman-bytecode/keyless:1"

    return made


def later(notes: dict) -> None:
    receipt = json.loads(notes[simple.RECEIPT])
    receipt["Payload"]["integratedTime"] += 1
    notes[simple.RECEIPT] = json.dumps(receipt)


def of_another_log(notes: dict) -> None:
    receipt = json.loads(notes[simple.RECEIPT])
    receipt["Payload"]["logID"] = "0" * 64
    notes[simple.RECEIPT] = json.dumps(receipt)


def without_receipt(notes: dict) -> None:
    del notes[simple.RECEIPT]


def another_signature(notes: dict) -> None:
    raw = bytearray(base64.b64decode(notes[simple.SIGNATURE]))
    raw[-1] ^= 1
    notes[simple.SIGNATURE] = base64.b64encode(raw).decode()


def malformed(notes: dict) -> None:
    notes[simple.RECEIPT] = "[]"


def no_certificate(notes: dict) -> None:
    notes[simple.CERTIFICATE] = "text"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (later, "does not hold"),
        (of_another_log, "log that is not trusted"),
        (without_receipt, "no receipt"),
        (another_signature, "for another one"),
        (malformed, "malformed"),
        (no_certificate, "malformed"),
    ],
)
def test_a_certificate_with_something_wrong(configured, keyless, change, reason):
    url = keyless(change)
    with pytest.raises(Untrusted, match=reason):
        find(ImageSource(url), configured(trusted(IDENTITY, ISSUER)))


@pytest.mark.parametrize("part", ["tlogs", "ctlogs", "certificateAuthorities"])
def test_a_certificate_under_another_root(configured, tmp_path, part):
    root = json.loads((KEYS / "trusted_root.json").read_text())
    root[part] = []
    (tmp_path / "root.json").write_text(json.dumps(root))
    settings = configured(trusted(IDENTITY, ISSUER, tmp_path / "root.json"))
    with pytest.raises(Untrusted, match=r"not trusted|no trusted"):
        find(ImageSource(f"{HOME}/keyless:1"), settings)


PAST, FUTURE = {"end": "2001-01-01T00:00:00Z"}, {"start": "2101-01-01T00:00:00Z"}


@pytest.mark.parametrize("valid", [PAST, FUTURE], ids=["retired", "not yet"])
@pytest.mark.parametrize("part", ["tlogs", "ctlogs", "certificateAuthorities"])
def test_who_counts_at_another_time(configured, tmp_path, part, valid):
    root = json.loads((KEYS / "trusted_root.json").read_text())
    for row in root[part]:
        row.get("publicKey", row)["validFor"] = valid
    (tmp_path / "root.json").write_text(json.dumps(root))
    settings = configured(trusted(IDENTITY, ISSUER, tmp_path / "root.json"))
    with pytest.raises(Untrusted, match=r"not trusted|no trusted"):
        find(ImageSource(f"{HOME}/keyless:1"), settings)


def test_a_signature_by_certificate_replayed(signed, verdict, configured):
    layout = Layout(FIXTURES / "third-party-images")
    top = layout.find(Reference.parse("quay.io/bpfman-bytecode/keyless:1"))
    tag = Reference.parse(f"quay.io/bpfman-bytecode/keyless:{signature_tag(top.digest)}")
    row = layout.find(tag)
    (layer,) = json.loads(layout.read(row, row.size))["layers"]
    data = layout.read(Descriptor.parse(layer), layer["size"])
    signed.blobs[layer["digest"]] = data
    signed.layers.append(Descriptor.parse(layer))
    with pytest.raises(Untrusted, match="for another image"):
        verdict(signed, trusted(IDENTITY, ISSUER))


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_a_certificate_that_no_parser_understands_hides_no_good_signature(
    signed, verdict, configured, key, tmp_path, form
):
    layout = Layout(FIXTURES / "third-party-images")
    row = next(one for one in layout.entries() if "keyless:sha256" in one.annotations[REFERENCE])
    (layer,) = json.loads(layout.read(row, row.size))["layers"]
    pem = layer["annotations"][simple.CERTIFICATE].encode()
    der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    text = base64.encodebytes(odd).decode()
    odd_pem = f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"
    if form == "simple":
        signed.simple(key, **{simple.CERTIFICATE: odd_pem})
    else:
        material = {"certificate": {"rawBytes": base64.b64encode(odd).decode()}}
        bundled = envelope_bundle(statement(signed.digest), b"x", **material)
        signed.bundle(key, text=bundled)
    policy = f'keys = ["{key.path}"]\n'
    both = trusted(IDENTITY, ISSUER).replace("[signing]\n", f"[signing]\n{policy}")
    with pytest.raises(Untrusted, match=r"malformed|does not hold"):
        verdict(signed, both)
    signed.simple(key)
    assert verdict(signed, both) == f"verified: key {key.path}"


@pytest.mark.parametrize("text", ["", "{}", '{"tlogs": 5}'])
def test_a_root_that_is_none(configured, tmp_path, text):
    (tmp_path / "root.json").write_text(text)
    settings = configured(trusted(IDENTITY, ISSUER, tmp_path / "root.json"))
    with pytest.raises(InvalidRequest, match="is no trust root"):
        find(ImageSource(f"{HOME}/keyless:1"), settings)


@pytest.fixture
def world() -> World:
    return World()


def by(world: World, directory: Path, who: str = sigstore_world.IDENTITY) -> str:
    root = world.trusted_root(directory / "root.json")
    return trusted(f' = "{who}"', f' = "{sigstore_world.ISSUER}"', root)


def test_a_bundle_by_a_certificate(signed, verdict, key, world, tmp_path):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    expected = f"verified: {sigstore_world.IDENTITY} (of {sigstore_world.ISSUER})"
    assert verdict(signed, by(world, tmp_path)) == expected
    assert verdict(signed, "") == "signed, not verified"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda w, s: w.sign(statement(ELSEWHERE)), "for another image"),
        (lambda w, s: World().sign(statement(s.digest)), "does not hold"),
        (
            lambda w, s: w.sign(statement(s.digest), logged=statement(ELSEWHERE)),
            "payload hash does not match",
        ),
        (
            lambda w, s: w.sign(statement(s.digest)).replace(b'"treeSize":"1"', b'"treeSize":"2"'),
            "does not hold",
        ),
        (
            lambda w, s: compact(
                {
                    **json.loads(w.sign(statement(ELSEWHERE))),
                    "dsseEnvelope": json.loads(envelope_bundle(statement(s.digest), b"x"))[
                        "dsseEnvelope"
                    ],
                }
            ),
            "does not hold",
        ),
    ],
    ids=["replayed", "another world", "another entry", "another tree", "another envelope"],
)
def test_a_bundle_with_something_wrong(signed, verdict, key, world, tmp_path, make, reason):
    signed.bundle(key, text=make(world, signed))
    policy = by(world, tmp_path)
    with pytest.raises(Untrusted, match=reason):
        verdict(signed, policy)


def test_a_bundle_of_somebody_else(signed, verdict, key, world, tmp_path):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    with pytest.raises(Untrusted, match=r"by release@example\.org"):
        verdict(signed, by(world, tmp_path, "another@example.org"))
    with pytest.raises(Untrusted, match="no identity is trusted"):
        verdict(signed, keys(key.path))


def test_a_bundle_without_the_extra(signed, verdict, key, world, tmp_path, monkeypatch):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    monkeypatch.setitem(sys.modules, "sigstore.verify", None)
    with pytest.raises(Untrusted, match=r"pip install bpfman\[sigstore\]"):
        verdict(signed, by(world, tmp_path))
