"""Finds the BPF object in an image's layers.

They are unpacked in memory and within bounds; nothing of them is written to disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpfman_core.errors import InvalidObject
from bpfman_core.image.archive import Member, members, unpack

OBJECT_LIMIT = 16 << 20
"""The most bytes that an object may have."""

UNPACKED_LIMIT = 64 << 20
"""The most bytes that all layers may have, unpacked."""

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_MANY = 256


def only_object(layers: Iterable[bytes], filename: str) -> bytes:
    """The one BPF object in packed layers; `filename` decides among several. Raises InvalidObject.

    Objects have that name, or end in `.o`. As in a file system that is made of the layers, a later
    one can replace or remove what is in an earlier one.
    """
    found: dict[str, Member] = {}
    wanted, left = _base(filename), UNPACKED_LIMIT
    for layer in layers:
        unpacked = unpack(layer, left)
        left -= len(unpacked)
        found = _stacked(found, members(unpacked), wanted)
    named = [path for path in found if wanted and _base(path) == wanted]
    chosen = named or list(found)
    if len(chosen) != 1:
        names = ", ".join(sorted(chosen)) or "none"
        raise InvalidObject(f"the image should hold one BPF object; it holds {names}")
    return _content(found[chosen[0]])


def _stacked(below: dict[str, Member], layer: Iterable[Member], wanted: str) -> dict[str, Member]:
    """What may be the object, by its path, once a layer lies on those `below`."""
    gone: set[str] = set()
    directories: set[str] = set()
    new: dict[str, Member] = {}
    for member in layer:
        path, removed = _path(member.name), _removes(member)
        if removed is not None:
            gone.add(removed)
        elif member.kind == "directory" or not path:
            directories.add(path)
        else:
            gone.add(path)  # and, were it a directory below, all that is in it
            if _may_be_object(member, wanted):
                new[path] = member
    left = {
        path: one
        for path, one in below.items()
        if path not in directories and gone.isdisjoint(_above(path))
    }
    if len(left) + len(new) > _MANY:
        raise InvalidObject(f"the image holds more than {_MANY} objects")
    return left | new


def _may_be_object(member: Member, wanted: str) -> bool:
    name = _base(member.name)
    return name.endswith(".o") or (wanted != "" and name == wanted)


def _removes(member: Member) -> str | None:
    """What a member takes away of the layers below (OCI image specification, "Whiteouts")."""
    name = _base(member.name)
    if not name.startswith(_WHITEOUT) or name == _WHITEOUT:
        return None
    directory = _path(member.name[: -len(name)])
    if name == _OPAQUE:
        return directory
    return _path(f"{directory}/{name.removeprefix(_WHITEOUT)}")


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _path(name: str) -> str:
    """Where a member lies; `/x`, `./x` and `x` are the same place."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _above(path: str) -> Iterator[str]:
    """A path and all directories that it is in, of which the topmost is empty."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _content(member: Member) -> bytes:
    """The bytes of an object; only a plain file within the image is one."""
    name = member.name
    if member.kind != "file":
        raise InvalidObject(f"{name} of the image is a {member.kind}, and should be a file")
    if name.startswith("/") or ".." in name.split("/"):
        raise InvalidObject(f"{name} of the image has a path that leads out of it")
    if member.size > OBJECT_LIMIT:
        raise InvalidObject(f"{name} has {member.size} bytes, more than the {OBJECT_LIMIT} allowed")
    return bytes(member.content)
