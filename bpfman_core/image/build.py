"""Writes image layouts. The same input gives the same bytes, and so the same digests."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bpfman_core.errors import Conflict
from bpfman_core.image import bytecode
from bpfman_core.image.descriptor import CONFIG, INDEX, LAYER, MANIFEST, Descriptor, digest_of
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.model import Json

_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class NewImage:
    """An image to write under `reference`.

    `objects` are the bytes of the object by architecture, as images call them (`amd64`);
    `programs` are functions and their program types, `maps` the maps and theirs.
    """

    reference: str
    filename: str
    objects: Mapping[str, bytes]
    programs: Mapping[str, str]
    maps: Mapping[str, str]

    def labels(self) -> dict[str, str]:
        """The labels that describe it; for a single program those of the first generation too."""
        labels = {
            bytecode.PROGRAMS: _compact(dict(self.programs)).decode(),
            bytecode.MAPS: _compact(dict(self.maps)).decode(),
        }
        if len(self.programs) == 1:
            function, kind = next(iter(self.programs.items()))
            labels |= {
                bytecode.FILENAME: self.filename,
                bytecode.FUNCTION: function,
                bytecode.PROGRAM_NAME: self.filename.partition(".")[0],
                bytecode.PROGRAM_TYPE: kind,
            }
        return labels


def write(directory: Path, images: Sequence[NewImage]) -> dict[str, str]:
    """Make `directory` a layout of these images and nothing else; their digests by reference.

    Raises Conflict where it holds something that is no layout.
    """
    layout = Layout(directory)
    _clear(layout)
    writer = _Writer(layout)
    layout.marker_path.write_bytes(_compact({"imageLayoutVersion": "1.0.0"}))
    tops = [
        replace(writer.image(image), annotations={REFERENCE: image.reference}) for image in images
    ]
    layout.index_path.write_bytes(_index(tops))
    return {image.reference: top.digest for image, top in zip(images, tops, strict=True)}


@dataclass(frozen=True)
class _Writer:
    layout: Layout

    def image(self, image: NewImage) -> Descriptor:
        """An index of one manifest per architecture."""
        manifests = [
            replace(self._manifest(image, architecture, data), platform=f"linux/{architecture}")
            for architecture, data in sorted(image.objects.items())
        ]
        return self._blob(INDEX, _index(manifests))

    def _manifest(self, image: NewImage, architecture: str, data: bytes) -> Descriptor:
        archive = _tar(image.filename, data)
        layer = self._blob(LAYER, _gzip(archive))
        config = {
            "created": _EPOCH,
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": image.labels()},
            "rootfs": {
                "type": "layers",
                "diff_ids": [digest_of(archive)],
            },
            "history": [{"created": _EPOCH, "created_by": "bpfman"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(CONFIG, _compact(config)).as_json(),
            "layers": [layer.as_json()],
        }
        return self._blob(MANIFEST, _compact(manifest))

    def _blob(self, media_type: str, data: bytes) -> Descriptor:
        descriptor = Descriptor.of(media_type, data)
        path = self.layout.blob_path(descriptor.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return descriptor


def _clear(layout: Layout) -> None:
    directory = layout.directory
    if directory.exists() and any(directory.iterdir()) and not layout.marker_path.exists():
        raise Conflict(f"{directory} is no image layout and not empty", hint="name another")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


def _index(descriptors: Sequence[Descriptor]) -> bytes:
    rows = [descriptor.as_json() for descriptor in descriptors]
    return _compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})


def _tar(filename: str, data: bytes) -> bytes:
    """An archive of one file of nobody in particular; mode 0644, time 0."""
    buffer = io.BytesIO()
    member = tarfile.TarInfo(filename)
    member.size = len(data)
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as packed:
        packed.write(data)
    return buffer.getvalue()


def _compact(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
