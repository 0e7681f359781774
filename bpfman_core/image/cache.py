"""The images that were pulled or built: an image layout that several processes share.

A writer holds a lock; it writes blobs beside the layout, renames them into it, and renames a new
index over the old one last. One that is killed leaves at most a file in `incoming/`, which the
next writer removes. Readers take no lock: an index is replaced whole, and every blob is hashed
again as it is read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound
from bpfman_core.image.descriptor import (
    DOCUMENT_LIMIT,
    INDEX,
    INDEXES,
    MANIFESTS,
    Descriptor,
    document,
)
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.image.reference import Reference

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
        names = {entry.annotations[REFERENCE] for entry in new}
        with self._writing():
            for digest, data in blobs.items():
                self._write(self.blob_path(digest), data)
            kept = [entry for entry in self._usable() if entry.annotations[REFERENCE] not in names]
            self._write_index([*kept, *new])

    def note(self, reference: Reference, signing: Mapping[str, str]) -> None:
        """Replace annotations of an image's entry, if it is still there."""
        with self._writing():
            self._write_index(
                replace(entry, annotations={**entry.annotations, **signing})
                if entry.annotations[REFERENCE] == str(reference)
                else entry
                for entry in self._usable()
            )

    def get(self, reference: Reference) -> Descriptor:
        """The entry of an image. Raises NotFound, InvalidObject."""
        found = self.find(reference)
        if found is None:
            raise NotFound(f"{reference} is not in the cache", hint="see `bpfman image list`")
        return found

    def remove(self, reference: Reference) -> None:
        """Remove an image, what is about it, and the blobs that no other needs. Raises NotFound."""
        with self._writing():
            entries = self._usable()
            gone = [entry for entry in entries if entry.annotations[REFERENCE] == str(reference)]
            if not gone:
                raise NotFound(
                    f"there is no image {reference} in the cache", hint="see `bpfman image list`"
                )
            kept = [entry for entry in entries if entry not in gone]
            if all(entry.digest != gone[0].digest for entry in kept):
                about = gone[0].digest.replace(":", "-")
                kept = [e for e in kept if not _tag(e).startswith(about)]
            self._write_index(kept)
            self._collect(kept)

    def prune(self, *, everything: bool = False) -> int:
        """Remove the blobs that no image needs, or all images; gives the bytes that were freed."""
        with self._writing():
            kept = [] if everything else self._usable()
            self._write_index(kept)
            return self._collect(kept)

    def images(self) -> tuple[Descriptor, ...]:
        """The entries that are images, not what is about one, by name."""
        entries = [entry for entry in self.entries() if PULLED in entry.annotations]
        return tuple(sorted(entries, key=lambda entry: entry.annotations[REFERENCE]))

    def size(self, top: Descriptor) -> int:
        """The bytes of the blobs of an image that are here."""
        reached = self._reachable([top])
        return sum(self.blob_path(digest).stat().st_size for digest in reached)

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

    def _usable(self) -> list[Descriptor]:
        """The entries; an index that is damaged has none."""
        try:
            return [entry for entry in self.entries() if REFERENCE in entry.annotations]
        except InvalidObject:
            return []

    def _write(self, path: Path, data: bytes) -> None:
        draft = self._incoming / path.name
        draft.write_bytes(data)
        draft.rename(path)

    def _write_index(self, entries: Iterable[Descriptor]) -> None:
        rows = [entry.as_json() for entry in entries]
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
        self._write(self.index_path, json.dumps(value).encode())

    def _collect(self, kept: Iterable[Descriptor]) -> int:
        needed = {self.blob_path(digest).name for digest in self._reachable(kept)}
        freed = 0
        for path in self.blobs.iterdir():
            if path.name not in needed:
                freed += path.stat().st_size
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


def _tag(entry: Descriptor) -> str:
    return entry.annotations[REFERENCE].rpartition(":")[2]
