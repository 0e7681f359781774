"""Reads an OCI image layout: a directory of blobs by digest, and an index of what they are."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from bpfman_core.errors import BpfmanError, Conflict, InvalidObject, InvalidRequest
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, Descriptor, document
from bpfman_core.image.reference import Reference, is_digest
from bpfman_core.image.repository import referrers_by_tag

_DAMAGE = (errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO)

REFERENCE = "org.opencontainers.image.ref.name"
"""The annotation that names an image of a layout; here, as in skopeo and podman, in full."""


@dataclass(frozen=True)
class Layout:
    """A layout at `directory`.

    Every method raises InvalidObject where it is damaged, BpfmanError where it cannot be read.
    """

    directory: Path

    def entries(self) -> tuple[Descriptor, ...]:
        """Everything that its index names; a row that makes no sense names nothing."""
        try:
            data = _bytes_of(self.index_path, DOCUMENT_LIMIT)
        except FileNotFoundError:
            return ()
        rows = document(data).get("manifests")
        found: list[Descriptor] = []
        for row in rows if isinstance(rows, list) else ():
            with contextlib.suppress(InvalidObject):
                found.append(Descriptor.parse(row))
        return tuple(found)

    def references(self) -> tuple[str, ...]:
        """The full names of the images it holds."""
        named = (reference_of(entry) for entry in self.entries())
        return tuple(str(reference) for reference in named if reference is not None)

    def find(self, wanted: Reference) -> Descriptor | None:
        """The index or manifest of that name; a digest in the name decides over its tag."""
        for entry in self.entries():
            reference = reference_of(entry)
            if reference is None or reference.name != wanted.name:
                continue
            if wanted.digest == entry.digest if wanted.digest else wanted == reference:
                return entry
        return None

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """The checked bytes of a blob of at most `limit` bytes."""
        descriptor.check_size(limit)
        path = self.blob_path(descriptor.digest)
        try:
            data = _bytes_of(path, descriptor.size + 1)
        except FileNotFoundError as error:
            raise InvalidObject(f"{path} of an image layout: {error.strerror}") from error
        descriptor.check(data)
        return data

    def check_usable(self) -> None:
        """Raise Conflict where the directory holds something that is no layout."""
        try:
            held = os.listdir(self.directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Conflict(f"{self.directory} is no image layout: {error.strerror}") from error
        if held and not self.marker_path.exists():
            raise Conflict(
                f"{self.directory} is no image layout and not empty", hint="name another"
            )

    def repository(self, of: Reference | None) -> LayoutRepository:
        """The images of the repository that `of` is in; without one, all that the layout has."""
        return LayoutRepository(self, of)

    @property
    def index_path(self) -> Path:
        """The index of what the layout holds."""
        return self.directory / "index.json"

    @property
    def marker_path(self) -> Path:
        """The file that says that this is a layout."""
        return self.directory / "oci-layout"

    @property
    def blobs(self) -> Path:
        """The directory of the blobs."""
        return self.directory / "blobs/sha256"

    def blob_path(self, digest: str) -> Path:
        """Where the blob with that digest lies."""
        return self.blobs / digest.partition(":")[2]


@dataclass(frozen=True)
class LayoutRepository:
    """Implements `repository.Repository`."""

    layout: Layout
    of: Reference | None

    def resolve(self, wanted: str) -> Descriptor | None:
        """See `Repository.resolve`."""
        if self.of is not None:
            tag, digest = (None, wanted) if is_digest(wanted) else (wanted, None)
            return self.layout.find(Reference(self.of.registry, self.of.repository, tag, digest))
        for entry in self.layout.entries():
            name = entry.annotations.get(REFERENCE, "")
            if wanted in (entry.digest, name) or name.endswith(f":{wanted}"):
                return entry
        return None

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `Repository.read`."""
        return self.layout.read(descriptor, limit)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Repository.referrers`."""
        return referrers_by_tag(self, digest)


def _bytes_of(path: Path, limit: int) -> bytes:
    """The first `limit` bytes of a file. Raises FileNotFoundError, InvalidObject, BpfmanError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidObject(f"{path} of an image layout is no file")
            return file.read(limit)
    except FileNotFoundError:
        raise
    except OSError as error:
        kind = InvalidObject if error.errno in _DAMAGE else BpfmanError
        raise kind(f"{path} of an image layout: {error.strerror}") from error


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in the place of a file must not hold anybody up."""
    return os.open(path, flags | os.O_NONBLOCK)


def reference_of(entry: Descriptor) -> Reference | None:
    """The full name of an entry; what has none can be asked for by nobody."""
    try:
        return Reference.parse(entry.annotations.get(REFERENCE, ""))
    except InvalidRequest:
        return None
