"""What a host asks of an image's signatures."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.errors import InvalidRequest

_VERSION = 2
"""Raised when signatures are judged otherwise, so that what was judged before is judged again."""


@dataclass(frozen=True)
class Identity:
    """Who may sign with a certificate: both are regular expressions that must match in full.

    `subject` is a name in the certificate (mail address, URI), `issuer` the OIDC issuer that
    vouched for it.
    """

    subject: str
    issuer: str

    def admits(self, subjects: tuple[str, ...], issuer: str) -> bool:
        """Whether a certificate with these names is theirs."""
        return re.fullmatch(self.issuer, issuer) is not None and any(
            re.fullmatch(self.subject, subject) for subject in subjects
        )


@dataclass(frozen=True)
class SigningPolicy:
    """`[signing]`. Without keys and identities nothing can be judged, and so nothing is refused.

    `keys` are files with PEM public keys, `trusted_root` a sigstore trusted_root.json.
    """

    enabled: bool = True
    allow_unsigned: bool = True
    keys: tuple[Path, ...] = ()
    identities: tuple[Identity, ...] = ()
    trusted_root: Path | None = None

    @property
    def judges(self) -> bool:
        """Whether there is something to tell a good signature from a bad one by."""
        return bool(self.keys or self.identities)

    def fingerprint(self) -> str:
        """Changes with the policy, and with what is in the files that it names.

        Raises InvalidRequest for a file that cannot be read.
        """
        if not self.enabled:
            return "off"
        root = self.trusted_root
        rows = [
            _VERSION,
            self.allow_unsigned,
            [_digest(key) for key in self.keys],
            [[identity.subject, identity.issuer] for identity in self.identities],
            None if root is None else _digest(root),
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def read_file(path: Path) -> bytes:
    """A file of the policy. Raises InvalidRequest."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"signing: cannot read {path}: {error.strerror}") from None


def _digest(path: Path) -> str:
    return hashlib.sha256(read_file(path)).hexdigest()
