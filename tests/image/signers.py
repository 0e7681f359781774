"""Signs images as cosign does, in the old form and the new, well or badly as a test wants."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from bpfman_core.image.build import Built
from bpfman_core.image.cache import Cache
from bpfman_core.image.descriptor import CONFIG, INDEX, MANIFEST, Descriptor, compact, index_of
from bpfman_core.image.reference import Reference
from bpfman_core.image.signing import bundle, simple

BUNDLE = f"{bundle.BUNDLE}.v0.3+json"
_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}


FIXTURES = Path(__file__).parents[1] / "fixtures"
KEYS = FIXTURES / "keys"
HOME = f"oci:{FIXTURES}/third-party-images:quay.io/bpfman-bytecode"
STRICT = "allow_unsigned = false\n"
ELSEWHERE = "sha256:" + "0" * 64
IDENTITY, ISSUER = ' = "spike@example.org"', ' = "https://issuer.example"'
WHO = "verified: spike@example.org (of https://issuer.example)"


def keys(*paths: Path) -> str:
    """The policy that trusts these keys."""
    return f"[signing]\nkeys = {json.dumps(list(map(str, paths)))}\n"


def trusted(identity: str, issuer: str, root: Path = KEYS / "trusted_root.json") -> str:
    """The policy that trusts this identity."""
    return (
        f'[signing]\ntrusted_root = "{root}"\n[[signing.trusted_identities]]\n'
        f"certificate_identity{identity}\ncertificate_oidc_issuer{issuer}\n"
    )


@dataclass
class Key:
    """A private key, and the file that its public key is in."""

    private: Any
    path: Path

    @classmethod
    def make(cls, directory: Path, kind: str = "P-256") -> Key:
        made = {
            "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
            "RSA": lambda: rsa.generate_private_key(65537, 2048),
            "Ed25519": ed25519.Ed25519PrivateKey.generate,
        }[kind]()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = made.public_key().public_bytes(serialization.Encoding.PEM, form)
        path = directory / f"{hashlib.sha256(pem).hexdigest()[:8]}.pub"
        path.write_bytes(pem)
        return cls(made, path)

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(message, ec.ECDSA(_HASHES[self.private.curve.key_size]))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def payload(digest: str, kind: str = "cosign container image signature") -> bytes:
    image = {"docker-manifest-digest": digest}
    critical = {"identity": {"docker-reference": "x"}, "image": image, "type": kind}
    return compact({"critical": critical, "optional": None})


def statement(digest: str, **changed: object) -> bytes:
    subject = [{"name": "", "digest": {"sha256": digest.partition(":")[2]}}]
    value = {"_type": "https://in-toto.io/Statement/v1", "subject": subject}
    return compact({**value, "predicateType": bundle.PREDICATE, "predicate": {}, **changed})


def envelope_bundle(signed: bytes, signature: bytes, **material: object) -> bytes:
    envelope = {
        "payload": b64(signed),
        "payloadType": bundle.STATEMENT,
        "signatures": [{"sig": b64(signature)}],
    }
    material = material or {"publicKey": {"hint": ""}}
    return compact(
        {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    )


@dataclass
class Signed:
    """An image and what is about it; `keep` writes it as a layout, under its name."""

    image: Built
    name: str = "quay.io/tests/signed:1"
    blobs: dict[str, bytes] = field(default_factory=dict)
    layers: list[Descriptor] = field(default_factory=list)
    referrers: list[Descriptor] = field(default_factory=list)
    no_layers: bool = False

    @property
    def digest(self) -> str:
        return self.image.top.digest

    def simple(
        self,
        key: Key,
        signed: bytes | None = None,
        *,
        media_type: str = simple.PAYLOAD,
        claimed: bytes | None = None,
        **notes: str,
    ) -> Signed:
        """Add a signature of `signed`, and show it as one of `claimed`."""
        signed = payload(self.digest) if signed is None else signed
        layer = self._add(media_type, signed if claimed is None else claimed)
        found = {simple.SIGNATURE: b64(key.sign(signed)), **notes}
        self.layers.append(Descriptor(layer.media_type, layer.digest, layer.size, "", found))
        return self

    def bundle(
        self,
        key: Key,
        signed: bytes | None = None,
        *,
        text: bytes | None = None,
        subject: str | None = None,
        listed_as: str = BUNDLE,
    ) -> Signed:
        """Add a referrer with an envelope around `signed`, or with this `text`."""
        signed = statement(self.digest) if signed is None else signed
        if text is None:
            text = envelope_bundle(signed, key.sign(bundle.envelope(signed)))
        about = {**self.image.top.as_json(), "digest": subject or self.digest}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": self._add("application/vnd.oci.empty.v1+json", b"{}").as_json(),
            "layers": [self._add(BUNDLE, text).as_json()],
            "subject": about,
        }
        self.referrers.append(self._add(MANIFEST, compact({**manifest, "listed": listed_as})))
        return self

    def tags(self) -> dict[str, Descriptor]:
        """What a registry would hold beside the image."""
        about = self.digest.replace(":", "-")
        found: dict[str, Descriptor] = {}
        if self.layers or self.no_layers:
            rows = [layer.as_json() for layer in self.layers]
            config = self._add(CONFIG, b"{}").as_json()
            head = {"schemaVersion": 2, "mediaType": MANIFEST}
            manifest = compact({**head, "config": config, "layers": rows})
            found[f"{about}.sig"] = self._add(MANIFEST, manifest)
        if self.referrers:
            found[about] = self._add(INDEX, index_of(self.referrers))
        return found

    def keep(self, directory: Path) -> str:
        """Write it as a layout; gives its URL."""
        tags = self.tags()
        reference = Reference.parse(self.name)
        Cache(directory).put(
            reference, self.image.top, {**self.image.blobs, **self.blobs}, beside=tags
        )
        return f"oci:{directory}:{self.name}"

    def _add(self, media_type: str, data: bytes) -> Descriptor:
        descriptor = Descriptor.of(media_type, data)
        self.blobs[descriptor.digest] = data
        return descriptor
