"""Where the bytes of an object come from: a file, or an image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bpfman_core.api import FileSource, ImageSource
from bpfman_core.errors import InvalidObject, InvalidRequest
from bpfman_core.model import FileOrigin, ImageOrigin, Origin

if TYPE_CHECKING:
    from bpfman_core.image.settings import ImageSettings


@dataclass(frozen=True)
class Bytecode:
    """An ELF object and where it came from.

    Of an image also the program to take where the user names none, and the types that its labels
    have for functions and maps.
    """

    data: bytes
    origin: Origin
    function: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, str] = field(default_factory=dict)


def fetch(source: FileSource | ImageSource, settings: Callable[[], ImageSettings]) -> Bytecode:
    """Read a file, or find an image, for which alone the `settings` are needed.

    Raises InvalidRequest, InvalidObject or NotFound; for images see `image.source.find`.
    """
    if isinstance(source, FileSource):
        data = source.data if source.data is not None else _for_another(Path(source.path))
        return Bytecode(data, FileOrigin(source.path))
    from bpfman_core.image import source as images

    found = images.find(source, settings())
    origin = ImageOrigin(
        source.url, source.pull_policy, found.digest, found.source, found.signature
    )
    return Bytecode(found.data, origin, found.function, found.functions, found.maps)


def _for_another(path: Path) -> bytes:
    """A file that a client names; what is relative to it, it must read itself."""
    if not path.is_absolute():
        raise InvalidRequest(f"{path} is not an absolute path")
    return read(path)


def read(path: Path) -> bytes:
    """The bytes of a file, within bounds. Raises InvalidRequest, InvalidObject."""
    from bpfman_core.image.layers import OBJECT_LIMIT

    try:
        with open(path, "rb") as file:
            data = file.read(OBJECT_LIMIT + 1)
    except (OSError, ValueError) as error:  # or the path has a zero byte
        why = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"cannot read {path}: {why}") from None
    if len(data) > OBJECT_LIMIT:
        raise InvalidObject(f"{path} has more than {OBJECT_LIMIT} bytes, too many for an object")
    return data
