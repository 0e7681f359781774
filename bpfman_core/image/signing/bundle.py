"""The new form: a sigstore bundle (v0.3) that refers to the image, with a statement in an envelope.

The envelope is DSSE 1.0, the statement in-toto's, its predicate cosign's. Other predicates
(provenance, bills of materials) are statements about an image, but no signatures of it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfman_core.errors import InvalidObject, NotFound, Untrusted
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, MANIFESTS, Descriptor, document
from bpfman_core.image.repository import Repository
from bpfman_core.image.signing.found import LIMIT, MANY, Signature, Unknown
from bpfman_core.model import Json

if TYPE_CHECKING:
    from bpfman_core.image.signing.trust import Trust

BUNDLE = "application/vnd.dev.sigstore.bundle"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
_STATEMENTS = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")


@dataclass(frozen=True)
class BundleSignature:
    """`text` is the whole bundle; `payload` is the statement in it."""

    text: bytes
    payload: bytes
    signature: bytes
    keyless: bool

    def verify(self, digest: str, trust: Trust) -> str:
        """See `Signature.verify`."""
        if self.keyless:
            from bpfman_core.image.signing import sigstore_bundle

            by, *signed = sigstore_bundle.verify(self.text, trust.policy)
            if signed != [STATEMENT, self.payload]:
                raise Untrusted("a bundle signs something else than it says")
        else:
            by = trust.key_that_signed(self.signature, envelope(self.payload))
        _check_subject(document(self.payload), digest)
        return by


def envelope(payload: bytes) -> bytes:
    """What is signed of a DSSE envelope (its pre-authentication encoding)."""
    return b"DSSEv1 %d %b %d %b" % (len(STATEMENT), STATEMENT.encode(), len(payload), payload)


def signatures(repository: Repository, digest: str) -> Iterator[Signature]:
    """Those of the image with this digest. What the index says a referrer is may be wrong.

    A referrer that cannot be read may be a signature: it counts as one that proves nothing.
    """
    referrers = repository.referrers(digest)
    if len(referrers) > MANY:
        raise InvalidObject(f"the image has too many referrers: {len(referrers)}")
    for referrer in referrers:
        if referrer.media_type not in MANIFESTS:
            continue  # bundles are in manifests
        try:
            yield from _of(referrer, repository, digest)
        except (InvalidObject, NotFound) as error:
            yield Unknown(f"what may be a signature cannot be read: {error.message}")


def _of(referrer: Descriptor, repository: Repository, digest: str) -> Iterator[Signature]:
    manifest = document(repository.read(referrer, DOCUMENT_LIMIT))
    subject, layers = manifest.get("subject"), manifest.get("layers")
    if not isinstance(subject, dict) or subject.get("digest") != digest:
        return
    for row in layers if isinstance(layers, list) else ():
        layer = Descriptor.parse(row)
        if layer.media_type.startswith(BUNDLE):
            found = _signature(repository.read(layer, LIMIT))
            if found is not None:
                yield found


def _signature(text: bytes) -> Signature | None:
    try:
        value = document(text)
        material = value["verificationMaterial"]
        if "dsseEnvelope" not in value:
            return Unknown("a signature is of an unknown form: a bundle without an envelope")
        found = value["dsseEnvelope"]
        if found["payloadType"] != STATEMENT:
            return Unknown(f"a signature is of an unknown form: {found['payloadType']!r}")
        payload = base64.b64decode(found["payload"], validate=True)
        if document(payload).get("predicateType") != PREDICATE:
            return None
        signature = base64.b64decode(found["signatures"][0]["sig"], validate=True)
        return BundleSignature(text, payload, signature, "publicKey" not in material)
    except (InvalidObject, KeyError, IndexError, TypeError, ValueError):
        return Unknown("a signature is a malformed bundle")


def _check_subject(statement: Mapping[str, Json], digest: str) -> None:
    if statement.get("_type") not in _STATEMENTS:
        raise Untrusted("what was signed is a statement of an unknown kind")
    try:
        named = [subject["digest"].get("sha256") for subject in statement["subject"]]
    except (AttributeError, KeyError, TypeError):
        raise Untrusted("what was signed names no image") from None
    if digest.partition(":")[2] not in named:
        raise Untrusted("the signature is for another image")
