"""Signatures by a certificate of the hour, in the old form of cosign, judged without a network.

Trusted is what a sigstore trust root names: certificate authorities, logs of certificates (CT,
RFC 6962), logs of signatures (Rekor). A signature counts if
1. a Rekor log has signed a receipt (SET) for exactly this payload, signature and certificate,
2. the certificate was good, for code signing, at the time of the receipt,
3. a CT log has signed that it knows the certificate,
4. the certificate is of an identity that the policy trusts, and
5. its key made the signature.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from bpfman_core.errors import InvalidObject, Untrusted
from bpfman_core.image.descriptor import document
from bpfman_core.image.signing.policy import SigningPolicy
from bpfman_core.image.signing.trusted_root import TrustedRoot, der

if TYPE_CHECKING:
    from bpfman_core.image.signing.simple import SimpleSignature

_ISSUER = "1.3.6.1.4.1.57264.1.8"
_OLD_ISSUER = "1.3.6.1.4.1.57264.1.1"
"""Where Fulcio writes the OIDC issuer: as DER text, and formerly as plain bytes."""

_MALFORMED = (AttributeError, IndexError, InvalidObject, KeyError, TypeError, ValueError)


@dataclass(frozen=True)
class Certificates:
    """Those of the authorities that a policy's trust root names."""

    policy: SigningPolicy
    root: TrustedRoot

    @classmethod
    def of(cls, policy: SigningPolicy) -> Certificates:
        """Read the policy's trust root. Raises Untrusted without one, InvalidRequest."""
        if policy.trusted_root is None or not policy.identities:
            raise Untrusted("a signature is by a certificate, and no identity is trusted")
        return cls(policy, TrustedRoot.read(policy.trusted_root))

    def verify(self, signature: SimpleSignature, raw: bytes) -> str:
        """By whom it is, in words. Raises Untrusted."""
        try:
            certificate = x509.load_pem_x509_certificate(str(signature.certificate).encode())
            when = self._time_of_receipt(signature, certificate)
            issuer = self._issuer_of(certificate, when)
            self._check_logged(certificate, issuer)
            who = identity(certificate, self.policy)
            _verify(certificate.public_key(), raw, signature.payload)
        except InvalidSignature:
            raise Untrusted("a signature by a certificate does not hold") from None
        except VerificationError as error:
            raise Untrusted(f"a certificate is by no trusted authority: {error}") from None
        except (x509.ExtensionNotFound, *_MALFORMED) as error:
            raise Untrusted(f"a signature by a certificate is malformed: {error}") from None
        return who

    def _time_of_receipt(self, signature: SimpleSignature, own: x509.Certificate) -> datetime:
        if signature.receipt is None:
            raise Untrusted("a signature by a certificate has no receipt of a log")
        receipt = document(signature.receipt.encode())
        payload = receipt["Payload"]
        when = datetime.fromtimestamp(int(payload["integratedTime"]), UTC)
        log = self.root.rekor.get(payload["logID"])
        if log is None or when not in log.valid:
            raise Untrusted("the receipt of a signature is by a log that is not trusted")
        signed = {name: payload[name] for name in ("body", "integratedTime", "logID", "logIndex")}
        canonical = json.dumps(signed, separators=(",", ":"), sort_keys=True).encode()
        _verify(log.key, base64.b64decode(receipt["SignedEntryTimestamp"]), canonical)
        entry = document(base64.b64decode(payload["body"]))
        spec = entry["spec"]
        logged = x509.load_pem_x509_certificate(
            base64.b64decode(spec["signature"]["publicKey"]["content"])
        )
        digest = hashlib.sha256(signature.payload).hexdigest()
        if (
            entry["kind"] != "hashedrekord"
            or spec["data"]["hash"] != {"algorithm": "sha256", "value": digest}
            or spec["signature"]["content"] != signature.signature
            or logged != own
        ):
            raise Untrusted("the receipt of a signature is for another one")
        return when

    def _issuer_of(self, certificate: x509.Certificate, when: datetime) -> x509.Certificate:
        """The authority that issued it, if all was well at that time."""
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
            raise Untrusted("a certificate is not for signing code")
        authorities = [one for one, valid in self.root.authorities if when in valid]
        if not authorities:
            raise Untrusted("a signature is by a certificate, and no trusted authority fits it")
        any_usage = (x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
        verifier = (
            PolicyBuilder()
            .store(Store(authorities))
            .time(when)
            .extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca().may_be_present(*any_usage),
                ee_policy=ExtensionPolicy.webpki_defaults_ee().may_be_present(*any_usage),
            )
            .build_client_verifier()
        )
        return verifier.verify(certificate, authorities).chain[1]

    def _check_logged(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        """RFC 6962, 3.2: what a log signs of a certificate that it will contain."""
        kind = x509.PrecertificateSignedCertificateTimestamps
        body = certificate.tbs_precertificate_bytes
        for stamp in certificate.extensions.get_extension_for_class(kind).value:
            log = self.root.ct.get(stamp.log_id)
            at = stamp.timestamp.replace(tzinfo=UTC)
            if log is None or at not in log.valid:
                continue
            milliseconds = int(at.timestamp()) * 1000 + at.microsecond // 1000
            extensions = stamp.extension_bytes
            _verify(
                log.key,
                stamp.signature,
                b"\0\0"
                + struct.pack(">Q", milliseconds)
                + b"\0\1"
                + hashlib.sha256(der(issuer.public_key())).digest()
                + struct.pack(">I", len(body))[1:]
                + body
                + struct.pack(">H", len(extensions))
                + extensions,
            )
            return
        raise Untrusted("no trusted log knows the certificate of a signature")


def identity(certificate: x509.Certificate, policy: SigningPolicy) -> str:
    """Whose certificate it is, in words. Raises Untrusted where the policy does not trust them."""
    kind = x509.SubjectAlternativeName
    names = certificate.extensions.get_extension_for_class(kind).value
    subjects = tuple(
        name.value
        for name in names
        if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier)
    )
    issuer = _oidc_issuer(certificate)
    who = f"{', '.join(subjects)} (of {issuer})"
    if not any(trusted.admits(subjects, issuer) for trusted in policy.identities):
        raise Untrusted(f"a signature is by {who}")
    return who


def _oidc_issuer(certificate: x509.Certificate) -> str:
    old = ""
    for extension in certificate.extensions:
        value = getattr(extension.value, "value", b"")
        if extension.oid.dotted_string == _ISSUER:
            return _der_text(value)
        if extension.oid.dotted_string == _OLD_ISSUER:
            old = value.decode()
    return old


def _der_text(data: bytes) -> str:
    """A DER UTF8String of less than 64 KiB (X.690, 8.1.3)."""
    if data[0] != 0x0C:
        raise ValueError("the issuer is no text")
    more = data[1] & 0x7F if data[1] & 0x80 else 0
    length = int.from_bytes(data[2 : 2 + more]) if more else data[1]
    text = data[2 + more :]
    if len(text) != length:
        raise ValueError("the issuer is cut short")
    return text.decode()


def _verify(key: object, signature: bytes, message: bytes) -> None:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Untrusted("a certificate has a key of a kind that cannot be used")
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
