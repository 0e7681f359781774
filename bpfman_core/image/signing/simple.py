"""The old form of cosign: a payload that names the digest, signed by a key or a certificate.

Payloads are the layers of an image with a tag made of the digest; signature, certificate and the
transparency log's receipt are annotations of the layer (cosign's signature specification).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfman_core.errors import InvalidObject, NotFound, Untrusted
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, Descriptor, document
from bpfman_core.image.repository import Repository, signature_tag
from bpfman_core.image.signing.found import LIMIT, MANY, Signature, Unknown

if TYPE_CHECKING:
    from bpfman_core.image.signing.trust import Trust

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
RECEIPT = "dev.sigstore.cosign/bundle"
_TYPE = "cosign container image signature"


@dataclass(frozen=True)
class SimpleSignature:
    """`signature` is base64, as it stands in the annotation; `certificate` is PEM."""

    payload: bytes
    signature: str
    certificate: str | None
    receipt: str | None

    def verify(self, digest: str, trust: Trust) -> str:
        """See `Signature.verify`."""
        try:
            raw = base64.b64decode(self.signature, validate=True)
        except ValueError:
            raise Untrusted("a signature is no base64") from None
        if self.certificate is None:
            by = trust.key_that_signed(raw, self.payload)
        else:
            by = trust.certificates.verify(self, raw)
        _check_payload(self.payload, digest)
        return by


def signatures(repository: Repository, digest: str) -> Iterator[Signature]:
    """Those of the image with this digest."""
    top = repository.resolve(signature_tag(digest))
    if top is None:
        return
    rows = document(repository.read(top, DOCUMENT_LIMIT)).get("layers")
    if not isinstance(rows, list) or not rows:
        yield Unknown("what should be its signatures has no layers")
        return
    if len(rows) > MANY:
        raise InvalidObject(f"the image has more than {MANY} signatures")
    for row in rows:
        try:
            yield _signature(repository, Descriptor.parse(row))
        except (InvalidObject, NotFound) as error:
            yield Unknown(f"a signature cannot be read: {error.message}")


def _signature(repository: Repository, layer: Descriptor) -> Signature:
    notes: Mapping[str, object] = layer.annotations
    signature = notes.get(SIGNATURE)
    if layer.media_type != PAYLOAD or not isinstance(signature, str):
        return Unknown(f"a signature is of an unknown form ({layer.media_type or 'unnamed'})")
    certificate, receipt = notes.get(CERTIFICATE) or None, notes.get(RECEIPT) or None
    return SimpleSignature(
        repository.read(layer, LIMIT),
        signature,
        None if certificate is None else str(certificate),
        None if receipt is None else str(receipt),
    )


def _check_payload(payload: bytes, digest: str) -> None:
    """A good signature of another image's payload is worth nothing here."""
    try:
        critical = document(payload)["critical"]
        kind, signed = critical["type"], critical["image"]["docker-manifest-digest"]
    except (InvalidObject, KeyError, TypeError):
        raise Untrusted("what was signed is no statement about an image") from None
    if kind != _TYPE:
        raise Untrusted(f"what was signed is a statement of another kind: {json.dumps(kind)}")
    if signed != digest:
        raise Untrusted(f"the signature is for another image: {json.dumps(signed)}")
