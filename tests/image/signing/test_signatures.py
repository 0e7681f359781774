"""A signature counts if it is of this very image, by a key that the policy trusts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidObject, Untrusted
from bpfman_core.image.descriptor import Descriptor
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.image.signing import simple
from bpfman_core.image.signing.allowance import READS, TOTAL, Allowance
from bpfman_core.image.source import find
from tests.image.signers import (
    ELSEWHERE,
    FIXTURES,
    HOME,
    KEYS,
    STRICT,
    Key,
    compact,
    envelope_bundle,
    keys,
    payload,
    statement,
)


@pytest.mark.parametrize("name", ["by-buildah:oci", "by-buildah:multi-oci"])
def test_a_signature_of_cosign(configured, name):
    def said(policy: str) -> str:
        return find(ImageSource(f"{HOME}/{name}"), configured(policy)).signature

    right, wrong = KEYS / "cosign.pub", KEYS / "other.pub"
    assert said(keys(right)) == f"verified: key {right}"
    assert said(keys(wrong, right) + STRICT) == f"verified: key {right}"
    assert said("") == "signed, not verified"
    with pytest.raises(Untrusted, match="by another key"):
        said(keys(wrong))


def test_a_signed_index_says_nothing_of_its_parts_alone(configured, tmp_path):
    """Each digest has its own signature: one may be pulled without the other."""
    shutil.copytree(FIXTURES / "third-party-images", tmp_path / "copy")
    layout = Layout(tmp_path / "copy")
    top = next(one for one in layout.entries() if one.annotations[REFERENCE].endswith(":multi-oci"))
    index = json.loads(layout.read(top, top.size))
    row = next(r for r in index["manifests"] if r["platform"]["architecture"] == "amd64")
    index = json.loads(layout.index_path.read_bytes())
    index["manifests"].append({**row, "annotations": {REFERENCE: "quay.io/bpfman-bytecode/x:1"}})
    layout.index_path.write_text(json.dumps(index))
    source = ImageSource(f"oci:{layout.directory}@{row['digest']}")
    policy = keys(KEYS / "cosign.pub")
    assert find(source, configured(policy)).signature == "unsigned"
    with pytest.raises(Untrusted, match="has no signature"):
        find(source, configured(policy + STRICT))


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_keys_of_every_kind(signed, verdict, tmp_path, kind, form):
    key = Key.make(tmp_path, kind)
    getattr(signed, form)(key)
    assert verdict(signed, keys(key.path) + STRICT) == f"verified: key {key.path}"
    assert verdict(signed, "") == "signed, not verified"


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_one_good_signature_among_others_is_enough(signed, verdict, key, other, form):
    for one in (other, key, other):
        getattr(signed, form)(one)
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


FORGED = {
    "another key": (lambda s, _, other: s.simple(other), "by another key"),
    "replayed": (lambda s, k, _: s.simple(k, payload(ELSEWHERE)), "for another image"),
    "another type": (
        lambda s, k, _: s.simple(k, payload(s.digest, "attestation")),
        "of another kind",
    ),
    "tampered": (
        lambda s, k, _: s.simple(k, payload(ELSEWHERE), claimed=payload(s.digest)),
        "by another key",
    ),
    "no statement": (lambda s, k, _: s.simple(k, b"[]"), "no statement about an image"),
    "no JSON": (lambda s, k, _: s.simple(k, b"\xff"), "no statement about an image"),
    "no base64": (lambda s, k, _: s.simple(k, **{simple.SIGNATURE: "!"}), "no base64"),
    "unknown form": (lambda s, k, _: s.simple(k, media_type="text/plain"), "unknown form"),
    "bundle, another key": (lambda s, _, other: s.bundle(other), "by another key"),
    "bundle, replayed": (lambda s, k, _: s.bundle(k, statement(ELSEWHERE)), "for another image"),
    "bundle, no subject": (lambda s, k, _: s.bundle(k, statement("", subject=5)), "names no image"),
    "bundle, odd type": (
        lambda s, k, _: s.bundle(k, statement(s.digest, _type="x")),
        "of an unknown kind",
    ),
    "bundle, tampered": (
        lambda s, k, _: s.bundle(k, text=envelope_bundle(statement(s.digest), k.sign(b"x"))),
        "by another key",
    ),
    "bundle, malformed": (lambda s, k, _: s.bundle(k, text=b"{}"), "malformed bundle"),
    "bundle, no JSON": (lambda s, k, _: s.bundle(k, text=b"x"), "malformed bundle"),
    "bundle of a message": (
        lambda s, k, _: s.bundle(
            k, text=compact({"verificationMaterial": {}, "messageSignature": {}})
        ),
        "unknown form",
    ),
}


@pytest.mark.parametrize(("forge", "reason"), FORGED.values(), ids=FORGED)
def test_what_does_not_count(signed, verdict, key, other, forge, reason):
    forge(signed, key, other)
    for policy in (keys(key.path), keys(key.path) + STRICT):
        with pytest.raises(Untrusted, match=reason):
            verdict(signed, policy)
    assert verdict(signed, "") == "signed, not verified"


def test_a_place_for_signatures_without_any(signed, verdict, key):
    signed.no_layers = True
    with pytest.raises(Untrusted, match="no layers"):
        verdict(signed, keys(key.path))


PROVENANCE = "https://slsa.dev/provenance/v1"


@pytest.mark.parametrize(
    "add",
    [
        lambda s, k: s.bundle(k, statement(s.digest, predicateType=PROVENANCE)),
        lambda s, k: s.bundle(k, subject=ELSEWHERE),
    ],
    ids=["another statement about the image", "a statement about another image"],
)
def test_what_is_no_signature_at_all(signed, verdict, key, add):
    add(signed, key)
    assert verdict(signed, keys(key.path)) == "unsigned"
    with pytest.raises(Untrusted, match="has no signature"):
        verdict(signed, keys(key.path) + STRICT)


def test_a_signature_without_a_trust_root(signed, verdict, key):
    signed.simple(key, **{simple.CERTIFICATE: "x"})
    with pytest.raises(Untrusted, match="no identity is trusted"):
        verdict(signed, keys(key.path))


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_a_good_signature_behind_many_others(signed, verdict, key, other, form):
    """Images that are signed anew every night have many; none may hide among them."""
    for _ in range(40):
        getattr(signed, form)(other)
    with pytest.raises(Untrusted, match="by another key"):
        verdict(signed, keys(key.path))
    getattr(signed, form)(key)
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


def test_a_signature_behind_many_other_statements(signed, verdict, key, other):
    for _ in range(40):
        signed.bundle(other, statement(signed.digest, predicateType=PROVENANCE))
    signed.bundle(key)
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"
    with pytest.raises(Untrusted, match="by another key"):
        verdict(signed, keys(other.path))


def test_more_signatures_than_can_be(signed, verdict, key):
    signed.simple(key)
    signed.layers *= 257
    with pytest.raises(InvalidObject, match="more than 256 signatures"):
        verdict(signed, keys(key.path))


def test_a_signature_that_is_gone_hides_no_good_one(signed, verdict, key):
    signed.simple(key)
    signed.layers.insert(0, replace(signed.layers[0], digest=f"sha256:{'1' * 64}"))
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


def test_a_row_that_makes_no_sense_hides_no_good_one(signed, verdict, key):
    signed.simple(key)
    signed.layers.insert(0, replace(signed.layers[0], digest="text"))
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


def test_a_bundle_that_is_too_large_hides_no_good_one(signed, verdict, key):
    signed.bundle(key, text=bytes(2 << 20))
    with pytest.raises(Untrusted, match="cannot be read"):
        verdict(signed, keys(key.path))
    signed.bundle(key)
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


def test_only_so_much_is_read_in_search_of_signatures():
    class Endless:
        def read(self, descriptor: Descriptor, limit: int) -> bytes:
            return bytes(descriptor.size)

    within, one = Allowance(Endless()), Descriptor("", f"sha256:{'1' * 64}", 1 << 20)
    for _ in range(TOTAL >> 20):
        within.read(one, 1 << 20)
    with pytest.raises(InvalidObject, match="more than the 0 allowed"):
        within.read(one, 1 << 20)


def test_only_so_often_is_something_read_in_search_of_signatures():
    class Empty:
        def read(self, descriptor: Descriptor, limit: int) -> bytes:
            return b""

    within, none = Allowance(Empty()), Descriptor("", f"sha256:{'1' * 64}", 0)
    for _ in range(READS):
        within.read(none, 1)
    with pytest.raises(InvalidObject, match="more about it than can be looked at"):
        within.read(none, 1)
