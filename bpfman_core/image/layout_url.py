"""URLs that name an image of a layout: `oci:/path[:name][@digest]`."""

from __future__ import annotations

import os
from pathlib import Path

from bpfman_core.errors import InvalidRequest, NotFound
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.image.reference import is_digest
from bpfman_core.image.repository import Located

LAYOUT = "oci:"
"""How such a URL begins."""


def open_layout(url: str) -> Located:
    """The image of a layout that a URL stands for; without name and digest, the only one.

    Raises InvalidRequest, NotFound, InvalidObject.
    """
    path, at, digest = url.removeprefix(LAYOUT).partition("@")
    if at and not is_digest(digest):
        raise InvalidRequest(f"{url}: a digest is sha256: and 64 hexadecimal digits")
    name = ""
    if not _is_layout(path):
        path, _, name = path.partition(":")
    wanted = digest or name
    layout = Layout(Path(path))
    if not layout.directory.is_absolute():
        raise InvalidRequest(f"{url}: write an absolute path")
    if not _is_layout(path):
        raise NotFound(f"{path} is no image layout", hint="write oci:/path or oci:/path:name")
    repository, entries = layout.repository(None), layout.entries()
    found = repository.resolve(wanted) if wanted else None
    if not wanted and len(entries) == 1:
        found = entries[0]
    if found is None:
        held = ", ".join(entry.annotations.get(REFERENCE, entry.digest) for entry in entries)
        what = f"no image {wanted}" if wanted else "several images" if entries else "no image"
        raise NotFound(f"{path} holds {what}", hint=f"it holds: {held or 'none'}")
    return Located(found, f"layout:{layout.directory}", repository)


def _is_layout(path: str) -> bool:
    return os.path.exists(Layout(Path(path)).marker_path)  # False for what can be no path
