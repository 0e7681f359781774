"""Makes images. The same input gives the same bytes, and so the same digests."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bpfman_core.image import bytecode
from bpfman_core.image.descriptor import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Descriptor,
    compact,
    digest_of,
    index_of,
)
from bpfman_core.image.layout import REFERENCE, Layout

_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class NewImage:
    """An image to be made.

    `objects` are the bytes of the object by architecture, as images call them (`amd64`);
    `programs` are functions and their program types, `maps` the maps and theirs. One object makes
    an index too, unless the image is `single`.
    """

    filename: str
    objects: Mapping[str, bytes]
    programs: Mapping[str, str]
    maps: Mapping[str, str]
    single: bool = False

    def labels(self) -> dict[str, str]:
        """The labels that describe it; for a single program those of the first generation too."""
        labels = {
            bytecode.PROGRAMS: compact(dict(self.programs)).decode(),
            bytecode.MAPS: compact(dict(self.maps)).decode(),
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


@dataclass(frozen=True)
class Built:
    """An image in memory: what its reference will stand for, and its blobs by digest."""

    top: Descriptor
    blobs: Mapping[str, bytes]


def assemble(image: NewImage) -> Built:
    """An index of one manifest per architecture, with all that they need; or the only one alone."""
    blobs: dict[str, bytes] = {}
    if image.single:
        ((architecture, data),) = image.objects.items()
        return Built(_manifest(image, architecture, data, blobs), blobs)
    manifests = [
        replace(_manifest(image, architecture, data, blobs), platform=f"linux/{architecture}")
        for architecture, data in sorted(image.objects.items())
    ]
    return Built(_add(blobs, INDEX, index_of(manifests)), blobs)


def write(directory: Path, images: Mapping[str, NewImage]) -> dict[str, str]:
    """Make `directory` a layout of these images by reference; gives their digests by reference.

    Nothing else is left in it. Raises Conflict where it holds something that is no layout.
    """
    layout = Layout(directory)
    layout.check_usable()
    shutil.rmtree(directory, ignore_errors=True)
    layout.blobs.mkdir(parents=True)
    layout.marker_path.write_bytes(compact({"imageLayoutVersion": "1.0.0"}))
    tops: dict[str, Descriptor] = {}
    for reference, image in images.items():
        built = assemble(image)
        for digest, data in built.blobs.items():
            layout.blob_path(digest).write_bytes(data)
        tops[reference] = built.top
    named = [replace(top, annotations={REFERENCE: name}) for name, top in tops.items()]
    layout.index_path.write_bytes(index_of(named))
    return {name: top.digest for name, top in tops.items()}


def _manifest(
    image: NewImage, architecture: str, data: bytes, blobs: dict[str, bytes]
) -> Descriptor:
    archive = _tar(image.filename, data)
    layer = _add(blobs, LAYER, _gzip(archive))
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
        "config": _add(blobs, CONFIG, compact(config)).as_json(),
        "layers": [layer.as_json()],
    }
    return _add(blobs, MANIFEST, compact(manifest))


def _add(blobs: dict[str, bytes], media_type: str, data: bytes) -> Descriptor:
    descriptor = Descriptor.of(media_type, data)
    blobs[descriptor.digest] = data
    return descriptor


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
