"""A sigstore trust root: whose certificates and logs count, and when.

Format: trusted_root.json, of sigstore's protobuf-specs.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bpfman_core.errors import InvalidObject, InvalidRequest
from bpfman_core.image.descriptor import document
from bpfman_core.image.signing.policy import read_file
from bpfman_core.model import Json


@dataclass(frozen=True)
class Period:
    """From when until when something of a trust root counts; None is for ever."""

    start: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, row: Mapping[str, Json]) -> Period:
        """The `validFor` of a row, which may have none."""
        given = row.get("validFor") or {}
        start, end = (
            datetime.fromisoformat(given[name]).astimezone(UTC) if given.get(name) else None
            for name in ("start", "end")
        )
        return cls(start, end)

    def __contains__(self, when: datetime) -> bool:
        begun = self.start is None or self.start <= when
        return begun and (self.end is None or when <= self.end)


@dataclass(frozen=True)
class Log:
    """A log, of certificates or of signatures."""

    key: ec.EllipticCurvePublicKey
    valid: Period


@dataclass(frozen=True)
class TrustedRoot:
    """`rekor` are logs by the hexadecimal hash of their keys, `ct` by the hash's bytes."""

    authorities: Sequence[tuple[x509.Certificate, Period]]
    rekor: Mapping[str, Log]
    ct: Mapping[bytes, Log]

    @classmethod
    def read(cls, path: Path) -> TrustedRoot:
        """Read one. Raises InvalidRequest."""
        try:
            root = document(read_file(path))
            authorities = tuple(_authorities(root["certificateAuthorities"]))
            rekor, ct = _logs(root["tlogs"]), _logs(root["ctlogs"])
        except (AttributeError, InvalidObject, KeyError, TypeError, ValueError):
            raise InvalidRequest(f"signing: {path} is no trust root") from None
        by_name = {hashlib.sha256(der(log.key)).hexdigest(): log for log in rekor}
        by_id = {hashlib.sha256(der(log.key)).digest(): log for log in ct}
        return cls(authorities, by_name, by_id)


def _authorities(rows: Sequence[Mapping[str, Json]]) -> Iterator[tuple[x509.Certificate, Period]]:
    for row in rows:
        valid = Period.of(row)
        for one in row["certChain"]["certificates"]:
            yield x509.load_der_x509_certificate(base64.b64decode(one["rawBytes"])), valid


def _logs(rows: Sequence[Mapping[str, Json]]) -> list[Log]:
    """Those whose keys are of a kind that is known here."""
    found: list[Log] = []
    for row in rows:
        about = row["publicKey"]
        if "ECDSA" in about["keyDetails"]:
            key = serialization.load_der_public_key(base64.b64decode(about["rawBytes"]))
            if isinstance(key, ec.EllipticCurvePublicKey):
                found.append(Log(key, Period.of(about)))
    return found


def der(key: object) -> bytes:
    """A public key as logs and certificates hash it."""
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    found: bytes = key.public_bytes(encoding, form)  # type: ignore[attr-defined] # any kind of key
    return found
