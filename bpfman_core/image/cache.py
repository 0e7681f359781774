"""The images that were pulled or built: an image layout that several processes share.

A writer holds a lock; it writes blobs beside the layout, renames them into it, and renames a new
index over the old one last. One that is killed leaves at most a file in `incoming/`, which the
next writer removes. Readers take no lock: an index is replaced whole, and every blob is hashed
again as it is read.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound
from bpfman_core.image.descriptor import (
    DOCUMENT_LIMIT,
    INDEXES,
    MANIFESTS,
    Descriptor,
    document,
    index_of,
)
from bpfman_core.image.layout import REFERENCE, Layout, reference_of
from bpfman_core.image.reference import Reference
from bpfman_core.image.repository import Located

_ABOUT = re.compile("sha256-([0-9a-f]{64})")
"""How the tags begin of what is about an image: `repository.signature_tag`, `fallback_tag`."""

PULLED = "io.bpfman.pulled"
POLICY = "io.bpfman.signing.policy"
VERDICT = "io.bpfman.signing.verdict"
"""Annotations of ours: seconds since the epoch, the policy's fingerprint, and what it said."""


@dataclass(frozen=True)
class Cache(Layout):
    """The layout at `directory`, which need not be there yet."""

    def put(
        self,
        reference: Reference,
        top: Descriptor,
        blobs: Mapping[str, bytes],
        *,
        beside: Mapping[str, Descriptor] | None = None,
        signing: Mapping[str, str] | None = None,
    ) -> None:
        """Add an image with its blobs by digest; it takes the place of one of the same name.

        `beside` are other tags of its repository, `signing` annotations of the entry. Raises
        Denied where this process may not write, Busy.
        """
        notes = {REFERENCE: str(reference), PULLED: str(int(time.time())), **(signing or {})}
        new = [replace(top, annotations=notes)]
        for tag, descriptor in (beside or {}).items():
            name = Reference(reference.registry, reference.repository, tag)
            new.append(replace(descriptor, annotations={REFERENCE: str(name)}))
        names = {_name(entry) for entry in new}
        with self._writing():
            for digest, data in blobs.items():
                self._write(self.blob_path(digest), data)
            kept = [entry for entry in self._rows() if _name(entry) not in names]
            self._write_index([*kept, *new])

    def note(self, top: Descriptor, signing: Mapping[str, str]) -> None:
        """Replace annotations of an entry, if the same image is still there under its name."""
        same = (_name(top), top.digest)
        with self._writing():
            self._write_index(
                replace(entry, annotations={**entry.annotations, **signing})
                if (_name(entry), entry.digest) == same
                else entry
                for entry in self._rows()
            )

    def locate(self, reference: Reference) -> Located | None:
        """An image with its repository. Raises what `find` does."""
        top = self.find(reference)
        if top is None:
            return None
        return Located(top, f"cache:{self.directory}", self.repository(reference))

    def get(self, reference: Reference) -> Descriptor:
        """The entry of an image. Raises NotFound, InvalidObject."""
        found = self.find(reference)
        if found is None:
            raise NotFound(f"{reference} is not in the cache", hint="see `bpfman image list`")
        return found

    def remove(self, reference: Reference) -> None:
        """Remove an image, what is about it, and the blobs that no other needs. Raises NotFound."""
        with self._writing():
            rows = self._rows()
            left = [entry for entry in rows if _name(entry) != str(reference)]
            if len(left) == len(rows):
                raise NotFound(
                    f"there is no image {reference} in the cache", hint="see `bpfman image list`"
                )
            self._keep(left)

    def prune(self, *, everything: bool = False) -> int:
        """Remove what no image needs, or all images; gives the bytes that were freed."""
        with self._writing():
            return self._keep([] if everything else self._rows())

    def images(self) -> tuple[Descriptor, ...]:
        """The entries that are images, not what is about one, by name."""
        entries = [entry for entry in self.entries() if PULLED in entry.annotations]
        return tuple(sorted(entries, key=_name))

    def size(self, top: Descriptor) -> int:
        """The bytes of the blobs of an image that are here."""
        return sum(_size(self.blob_path(digest)) for digest in self._reachable([top]))

    # ---- under the lock

    @contextmanager
    def _writing(self) -> Iterator[None]:
        from bpfman_core.lock import writer_lock

        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with writer_lock(self.directory / ".lock"):
                self.blobs.mkdir(parents=True, exist_ok=True)
                self._incoming.mkdir(exist_ok=True)
                for left in self._incoming.iterdir():
                    left.unlink()
                if not self.marker_path.exists():
                    self._write(self.marker_path, b'{"imageLayoutVersion":"1.0.0"}')
                yield
                self._incoming.rmdir()
        except PermissionError as error:
            raise Denied(
                f"you may not write to the image cache {self.directory}", hint="run this as root"
            ) from error
        except OSError as error:
            raise BpfmanError(f"the image cache {self.directory}: {error.strerror}") from error

    @property
    def _incoming(self) -> Path:
        return self.directory / "incoming"

    def _rows(self) -> list[Descriptor]:
        """The entries; an index that is damaged has none, but one that cannot be read is an error.

        Else whatever hinders reading for a moment would cost the index.
        """
        try:
            return list(self.entries())
        except InvalidObject:
            return []

    def _write(self, path: Path, data: bytes, *, durably: bool = False) -> None:
        """Put a file in place; `durably` so that no loss of power leaves it empty."""
        draft = self._incoming / path.name
        draft.write_bytes(data)
        if durably:
            with open(draft, "rb") as written:
                os.fsync(written)
        draft.rename(path)

    def _keep(self, entries: list[Descriptor]) -> int:
        """Keep these, but for what is about images that are not among them."""
        images = {(one.name, e.digest) for e in entries if (one := reference_of(e))}
        kept = [e for e in entries if (about := _subject(e)) is None or about in images]
        self._write_index(kept)
        return self._collect(kept)

    def _write_index(self, entries: Iterable[Descriptor]) -> None:
        self._write(self.index_path, index_of(entries), durably=True)

    def _collect(self, kept: Iterable[Descriptor]) -> int:
        needed = {self.blob_path(digest).name for digest in self._reachable(kept)}
        freed = 0
        for path in self.blobs.iterdir():
            if path.name not in needed:
                freed += _size(path)
                path.unlink()
        return freed

    def _reachable(self, tops: Iterable[Descriptor]) -> set[str]:
        """The digests of the blobs that are here of these images."""
        found: set[str] = set()
        queue = list(tops)
        while queue:
            one = queue.pop()
            if one.digest in found or not self.blob_path(one.digest).exists():
                continue
            found.add(one.digest)
            if one.media_type in INDEXES | MANIFESTS:
                queue += _children(self, one)
        return found


def _children(layout: Layout, parent: Descriptor) -> list[Descriptor]:
    try:
        value = document(layout.read(parent, DOCUMENT_LIMIT))
        rows = [*value.get("manifests", ()), *value.get("layers", ())]
        rows += [value["config"]] if "config" in value else []
        return [Descriptor.parse(row) for row in rows]
    except (InvalidObject, TypeError):
        return []  # damaged: pulled anew when it is asked for


def _name(entry: Descriptor) -> str:
    return entry.annotations.get(REFERENCE, "")


def _subject(entry: Descriptor) -> tuple[str, str] | None:
    """The image that an entry is about: its repository and digest; None for one about none."""
    reference = reference_of(entry)
    found = _ABOUT.match(reference.tag or "") if reference else None
    if reference is None or found is None or PULLED in entry.annotations:
        return None
    return reference.name, f"sha256:{found[1]}"


def _size(path: Path) -> int:
    """0 where another process has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
