"""Whom a policy trusts, ready for use: keys, and authorities of certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bpfman_core.errors import InvalidRequest, Untrusted
from bpfman_core.image.signing.keyless import Certificates
from bpfman_core.image.signing.policy import SigningPolicy, read_file

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_HASHES: dict[int, hashes.HashAlgorithm] = {
    256: hashes.SHA256(),
    384: hashes.SHA384(),
    521: hashes.SHA512(),
}
"""What cosign hashes with, by the size of the curve."""


@dataclass(frozen=True)
class Trust:
    """`keys` are public keys by the file that they are out of."""

    policy: SigningPolicy
    keys: Sequence[tuple[Path, PublicKey]]

    @classmethod
    def of(cls, policy: SigningPolicy) -> Trust:
        """Read the policy's keys. Raises InvalidRequest."""
        return cls(policy, [(path, _key(path)) for path in policy.keys])

    def key_that_signed(self, signature: bytes, message: bytes) -> str:
        """The key that made this signature, in words. Raises Untrusted."""
        for path, key in self.keys:
            if _is_by(key, signature, message):
                return f"key {path}"
        raise Untrusted("a signature is by another key")

    @cached_property
    def certificates(self) -> Certificates:
        """The authorities of the trust root. Raises InvalidRequest for one that is no use."""
        return Certificates.of(self.policy)


def _key(path: Path) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(read_file(path))
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidRequest(f"signing: {path} holds no PEM public key") from None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size in _HASHES:
        return key
    if isinstance(key, rsa.RSAPublicKey):
        return key
    raise InvalidRequest(
        f"signing: {path} holds a key of a kind that cannot be used", hint="use ECDSA or RSA"
    )


def _is_by(key: PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(signature, message, ec.ECDSA(_HASHES[key.curve.key_size]))
    except InvalidSignature:
        return False
    return True
