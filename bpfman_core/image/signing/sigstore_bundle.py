"""Bundles signed by a certificate: judged by the package `sigstore`, which is an extra."""

from __future__ import annotations

from typing import Any

from bpfman_core.errors import InvalidRequest, Untrusted
from bpfman_core.image.signing.keyless import identity
from bpfman_core.image.signing.policy import SigningPolicy


def verify(text: bytes, policy: SigningPolicy) -> tuple[str, str, bytes]:
    """By whom a bundle is, in words, and the type and the bytes of what was signed.

    Raises Untrusted, also where `sigstore` is not installed; InvalidRequest for a bad trust root.
    """
    if policy.trusted_root is None or not policy.identities:
        raise Untrusted("a signature is by a certificate, and no identity is trusted")
    try:
        from sigstore.errors import Error
        from sigstore.models import Bundle, InvalidBundle, TrustedRoot
        from sigstore.verify import Verifier
    except ImportError:
        raise Untrusted(
            "a signature is a bundle by a certificate, which needs `pip install bpfman[sigstore]`"
        ) from None
    try:
        root = TrustedRoot.from_file(str(policy.trusted_root))
        verifier = Verifier(trusted_root=root)
    except (Error, OSError, ValueError) as error:
        raise InvalidRequest(f"signing: {policy.trusted_root} is no trust root: {error}") from None
    who = _Identities(policy)
    try:
        kind, payload = verifier.verify_dsse(Bundle.from_json(text), who)
    except (Error, InvalidBundle, ValueError) as error:
        raise Untrusted(f"a bundle by a certificate does not hold: {error}") from None
    return who.found, kind, payload


class _Identities:
    """What `sigstore` calls a policy: which certificates are trusted."""

    def __init__(self, policy: SigningPolicy) -> None:
        self._policy = policy
        self.found = ""

    def verify(self, cert: Any) -> None:
        self.found = identity(cert, self._policy)
