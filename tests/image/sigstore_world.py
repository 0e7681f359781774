"""A sigstore of one's own: an authority, a log of certificates and one of signatures.

It makes the bundles of sigstore's specification v0.3 (client spec, "Bundles"; RFC 6962 for both
logs), and the trust root by which they can be judged.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from bpfman_core.image.signing import bundle
from tests.image.signers import b64, compact, envelope_bundle

IDENTITY, ISSUER = "release@example.org", "https://issuer.example"
_ISSUER_OID = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
_STAMPS_OID = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ORIGIN = "log.example"


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _sign(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    return key.sign(message, ec.ECDSA(hashes.SHA256()))


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_spki(key)).digest()


def _name(text: str) -> x509.Name:
    names = [(NameOID.ORGANIZATION_NAME, "tests"), (NameOID.COMMON_NAME, text)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in names])


@dataclass
class World:
    """Its keys; `certificate` makes one of the hour, `sign` a bundle with it."""

    authority: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    signatures: ec.EllipticCurvePrivateKey = field(default_factory=_key)
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __post_init__(self) -> None:
        name = _name("authority")
        self.root = (
            self._builder(name, self.authority)
            .issuer_name(name)
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), True)
            .add_extension(_usage(key_cert_sign=True), True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), False
            )
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self, path: Path) -> Path:
        """Writes the trust root."""
        valid = {"start": (self.now - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")}

        def log(key: ec.EllipticCurvePrivateKey, host: str) -> dict[str, Any]:
            public = {"rawBytes": b64(_spki(key)), "validFor": valid}
            return {
                "baseUrl": f"https://{host}",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {**public, "keyDetails": "PKIX_ECDSA_P256_SHA_256"},
                "logId": {"keyId": b64(_id(key))},
            }

        der = b64(self.root.public_bytes(serialization.Encoding.DER))
        authority = {
            "subject": {"organization": "tests", "commonName": "authority"},
            "uri": "https://authority.example",
            "certChain": {"certificates": [{"rawBytes": der}]},
            "validFor": valid,
        }
        root = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.signatures, _ORIGIN)],
            "certificateAuthorities": [authority],
            "ctlogs": [log(self.certificates, "certificates.example")],
            "timestampAuthorities": [],
        }
        path.write_text(json.dumps(root))
        return path

    def sign(self, statement: bytes, *, logged: bytes | None = None) -> bytes:
        """A bundle around a statement; the log is told of `logged`, if that is given."""
        key = _key()
        leaf = self.certificate(key)
        signature = _sign(key, bundle.envelope(statement))
        body = self._body(logged or statement, signature, leaf)
        der = leaf.public_bytes(serialization.Encoding.DER)
        return envelope_bundle(
            statement,
            signature,
            certificate={"rawBytes": b64(der)},
            tlogEntries=[self._entry(body)],
            timestampVerificationData={},
        )

    def certificate(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """For IDENTITY, vouched for by ISSUER, and known to the log of certificates."""
        issuer = b"\x0c" + bytes([len(ISSUER)]) + ISSUER.encode()
        own = x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key())
        builder = (
            self._builder(x509.Name([]), key)
            .issuer_name(self.root.subject)
            .not_valid_before(self.now - timedelta(minutes=1))
            .not_valid_after(self.now + timedelta(minutes=10))
            .add_extension(_usage(digital_signature=True), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), False
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(IDENTITY)]), True)
            .add_extension(x509.UnrecognizedExtension(_ISSUER_OID, issuer), False)
        )
        unlogged = builder.sign(self.authority, hashes.SHA256())
        stamps = self._stamps(unlogged.tbs_certificate_bytes)
        logged = builder.add_extension(x509.UnrecognizedExtension(_STAMPS_OID, stamps), False)
        return logged.sign(self.authority, hashes.SHA256())

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
        return builder.serial_number(x509.random_serial_number())

    def _stamps(self, body: bytes) -> bytes:
        """One signed timestamp, as a list, in DER (RFC 6962, 3.2 and 3.3)."""
        at = int(self.now.timestamp() * 1000)
        issuer = hashlib.sha256(_spki(self.authority)).digest()
        signed = struct.pack(">BBQH", 0, 0, at, 1) + issuer
        signed += struct.pack(">I", len(body))[1:] + body + struct.pack(">H", 0)
        signature = _sign(self.certificates, signed)
        stamp = struct.pack(">B32sQHBBH", 0, _id(self.certificates), at, 0, 4, 3, len(signature))
        stamp += signature
        found = struct.pack(">HH", len(stamp) + 2, len(stamp)) + stamp
        return (
            b"\x04"
            + (bytes([len(found)]) if len(found) < 128 else b"\x81" + bytes([len(found)]))
            + found
        )

    def _body(self, statement: bytes, signature: bytes, leaf: x509.Certificate) -> bytes:
        pem = leaf.public_bytes(serialization.Encoding.PEM)
        digest = {"algorithm": "sha256", "value": hashlib.sha256(statement).hexdigest()}
        spec = {
            "envelopeHash": digest,
            "payloadHash": digest,
            "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
        }
        return compact({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})

    def _entry(self, body: bytes) -> dict[str, Any]:
        """The only entry of its log, with a receipt and a proof."""
        at, log = int(time.time()), _id(self.signatures)
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"{_ORIGIN}\n1\n{b64(root)}\n"
        seal = b64(log[:4] + _sign(self.signatures, note.encode()))
        receipt = {"body": b64(body), "integratedTime": at, "logID": log.hex(), "logIndex": 0}
        promise = _sign(self.signatures, compact(receipt))
        proof = {
            "logIndex": "0",
            "rootHash": b64(root),
            "treeSize": "1",
            "hashes": [],
            "checkpoint": {"envelope": f"{note}\n\u2014 {_ORIGIN} {seal}\n"},
        }
        return {
            "logIndex": "0",
            "logId": {"keyId": b64(log)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": b64(promise)},
            "inclusionProof": proof,
            "canonicalizedBody": b64(body),
        }


def _usage(**wanted: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    names += ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})
