"""Reads an OCI image layout: a directory of blobs by digest, and an index of what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.errors import InvalidObject, InvalidRequest
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, Descriptor, document
from bpfman_core.image.reference import Reference

REFERENCE = "org.opencontainers.image.ref.name"
"""The annotation that names an image of a layout; here, as in skopeo and podman, in full."""


@dataclass(frozen=True)
class Layout:
    """A layout at `directory`. Every method raises InvalidObject where it is damaged."""

    directory: Path

    def references(self) -> tuple[str, ...]:
        """The full names of the images it holds."""
        return tuple(str(reference) for reference, _ in self._images())

    def find(self, wanted: Reference) -> Descriptor | None:
        """The index or manifest of that name; a digest in the name decides over its tag."""
        for reference, descriptor in self._images():
            same = wanted.digest == descriptor.digest if wanted.digest else wanted == reference
            if same and wanted.name == reference.name:
                return descriptor
        return None

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """The checked bytes of a blob of at most `limit` bytes."""
        descriptor.check_size(limit)
        path = self.blob_path(descriptor.digest)
        try:
            with open(path, "rb") as file:
                data = file.read(descriptor.size + 1)
        except OSError as error:
            raise InvalidObject(f"{path} of an image layout: {error.strerror}") from error
        descriptor.check(data)
        return data

    @property
    def index_path(self) -> Path:
        """The index of what the layout holds."""
        return self.directory / "index.json"

    @property
    def marker_path(self) -> Path:
        """The file that says that this is a layout."""
        return self.directory / "oci-layout"

    def blob_path(self, digest: str) -> Path:
        """Where the blob with that digest lies."""
        algorithm, _, digits = digest.partition(":")
        return self.directory / "blobs" / algorithm / digits

    def _images(self) -> Iterator[tuple[Reference, Descriptor]]:
        """Those whose name is a full one; others can be asked for by nobody."""
        for row in self._index():
            descriptor = Descriptor.parse(row)
            try:
                yield Reference.parse(descriptor.annotations.get(REFERENCE, "")), descriptor
            except InvalidRequest:
                continue

    def _index(self) -> list[object]:
        try:
            with open(self.index_path, "rb") as file:
                data = file.read(DOCUMENT_LIMIT)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InvalidObject(f"{self.index_path}: {error.strerror}") from error
        rows = document(data).get("manifests")
        return rows if isinstance(rows, list) else []
