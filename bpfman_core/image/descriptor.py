"""Descriptors: how one document of an image points at another, by digest and size.

Layouts and registries hold the same documents; nothing in them is believed before its bytes match
the descriptor that led there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bpfman_core.errors import InvalidObject
from bpfman_core.image.reference import is_digest
from bpfman_core.model import Json

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEXES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
MANIFESTS = frozenset({MANIFEST, "application/vnd.docker.distribution.manifest.v2+json"})

DOCUMENT_LIMIT = 4 << 20
"""The most bytes that an index, a manifest or a config may have."""

_OURS = ("mediaType", "digest", "size", "annotations")

LAYER_LIMIT = 32 << 20
"""The most bytes that a compressed layer may have."""


@dataclass(frozen=True)
class Descriptor:
    """`size` is in bytes; `platform` is `os/architecture`, or empty where none is given.

    `rest` is what else the row had that it was read from: its whole platform, for one.
    """

    media_type: str
    digest: str
    size: int
    platform: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Descriptor:
        """The descriptor of these bytes."""
        return cls(media_type, digest_of(data), len(data))

    @classmethod
    def parse(cls, value: Json) -> Descriptor:
        """Read one out of a JSON document. Raises InvalidObject."""
        try:
            platform = value.get("platform")
            found = cls(
                str(value.get("mediaType", "")),
                value["digest"],
                value["size"],
                f"{platform['os']}/{platform['architecture']}" if platform else "",
                dict(value.get("annotations") or {}),
                {name: value[name] for name in value if name not in _OURS},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidObject(f"the image holds a malformed descriptor: {value!r}") from error
        if not found._makes_sense():
            raise InvalidObject(f"the image holds a malformed descriptor: {value!r}")
        return found

    def _makes_sense(self) -> bool:
        texts = all(isinstance(text, str) for text in self.annotations.values())
        return is_digest(self.digest) and type(self.size) is int and self.size >= 0 and texts

    def as_json(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        value: dict[str, Json] = {
            **self.rest,
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
        }
        if self.platform and "platform" not in value:
            system, _, architecture = self.platform.partition("/")
            value["platform"] = {"architecture": architecture, "os": system}
        if self.annotations:
            value["annotations"] = dict(self.annotations)
        return value

    def check_size(self, limit: int) -> None:
        """Raise InvalidObject where it promises more than `limit` bytes."""
        if self.size > limit:
            raise InvalidObject(
                f"{self.digest} of the image has {self.size} bytes, more than the {limit} allowed"
            )

    def check(self, data: bytes) -> None:
        """Raise InvalidObject unless these are the bytes it describes."""
        if len(data) != self.size or digest_of(data) != self.digest:
            raise InvalidObject(f"the image is damaged: the bytes of {self.digest} do not match it")


def digest_of(data: bytes) -> str:
    """The digest of these bytes, as images write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def document(data: bytes) -> dict[str, Json]:
    """The JSON object that these bytes hold. Raises InvalidObject."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidObject(f"the image holds a document that is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidObject("the image holds a document that is no JSON object")
    return value


def index_of(descriptors: Iterable[Descriptor]) -> bytes:
    """An index of these, as a document."""
    rows = [descriptor.as_json() for descriptor in descriptors]
    return compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})


def compact(value: Json) -> bytes:
    """JSON without blanks; the same value gives the same bytes."""
    return json.dumps(value, separators=(",", ":")).encode()
