"""Reads packed layers: gzip (RFC 1952) around tar (POSIX.1-1988 ustar, GNU and pax names).

Written for hostile input, for which Python's own modules are not: tarfile may go back in an
archive for ever (CVE-2025-8194) and fills memory with sparse files, gzip is slow where there are
many members. Here nothing is written to disk, work and memory are bounded by the sizes given, and
nothing that a member says of itself is acted on.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from bpfman_core.errors import InvalidObject

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC = slice(257, 262)  # where a tar header says `ustar`
_BLOCK = 512
_CHUNK = 64 << 10
_MANY_MEMBERS = 1000  # of gzip; a layer has one, or one for each file
_LONGEST_NAME = 4096
_LONG_NAME, _LONG_LINK, _PAX, _GLOBAL_PAX = b"L", b"K", b"x", b"g"
_KINDS = {
    **dict.fromkeys((b"0", b"\0", b"7"), "file"),
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"5": "directory",
    b"6": "FIFO",
    b"S": "sparse file",
}


@dataclass(frozen=True)
class Member:
    """`kind` is `file`, or what else it is; `content` is empty if it is cut off."""

    name: str
    kind: str
    size: int
    content: memoryview


def unpack(layer: bytes, limit: int) -> bytes | bytearray:
    """The tar in a layer, which may be stored without compression; raises InvalidObject.

    `limit` is the most bytes that it may have.
    """
    if not layer.startswith(_GZIP) and layer[_MAGIC] == b"ustar":
        data: bytes | bytearray = layer
    elif layer.startswith(_ZSTD):
        raise InvalidObject("a layer of the image is packed with zstd; only gzip can be read")
    else:
        data = _gunzip(layer, limit)
    if len(data) > limit:
        raise InvalidObject(f"the image's layers unpack to more than the {limit} bytes left to it")
    return data


def members(data: bytes | bytearray) -> Iterator[Member]:
    """What a tar holds, in its order. Raises InvalidObject."""
    view, at, long_name = memoryview(data), 0, ""
    while at + _BLOCK <= len(data):
        header = bytes(view[at : at + _BLOCK])
        if not header.strip(b"\0"):
            return
        name, size, kind = _header(header)
        content = view[at + _BLOCK : at + _BLOCK + size]
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
        if kind == _LONG_NAME:
            long_name = _text(bytes(content[:_LONGEST_NAME]))
        elif kind == _PAX:
            long_name = _pax_path(bytes(content[: 2 * _LONGEST_NAME])) or long_name
        elif kind not in (_LONG_LINK, _GLOBAL_PAX):
            whole = content if len(content) == size else view[:0]
            full, what = long_name or name, _KINDS.get(kind, "special file")
            if full.endswith("/"):  # as directories were written before they had a type
                what = "directory"
            yield Member(full, what, size, whole)
            long_name = ""
    if at != len(data) and at + _BLOCK > len(data):
        raise _unreadable("it is cut short")


def _gunzip(layer: bytes, limit: int) -> bytearray:
    found, at = bytearray(), 0
    for _ in range(_MANY_MEMBERS):
        inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not inflate.eof:
            piece = layer[at : at + _CHUNK]
            if not piece:
                raise _unreadable("it is cut short")
            try:
                found += inflate.decompress(piece, limit + 1 - len(found))
            except zlib.error as error:
                raise _unreadable(str(error)) from error
            at += len(piece) - len(inflate.unconsumed_tail) - len(inflate.unused_data)
            if len(found) > limit:
                raise InvalidObject("the image's layers unpack to more bytes than are allowed")
        if at == len(layer) or (layer[at] == 0 and not layer[at:].strip(b"\0")):  # padding
            return found
    raise _unreadable(f"it is in more than {_MANY_MEMBERS} pieces")


def _header(header: bytes) -> tuple[str, int, bytes]:
    """Name, size and type flag of a member."""
    checked = header[:148] + b" " * 8 + header[156:]
    if _number(header[148:156]) != sum(checked):
        raise _unreadable("a header's sum is wrong")
    name = _text(header[:100])
    if header[_MAGIC] == b"ustar" and header[262:263] == b"\0":
        name = "/".join(filter(None, (_text(header[345:500]), name)))
    return name, _number(header[124:136]), header[156:157]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256 where the first bit is set. Never negative."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    digits = field.strip(b" \0")
    if not all(digit in b"01234567" for digit in digits):
        raise _unreadable("a header has a malformed number")
    return int(digits or b"0", 8)


def _pax_path(records: bytes) -> str:
    """The `path` of a pax header: records of `LENGTH KEY=VALUE` and a newline."""
    found = ""
    while records:
        length, space, _ = records.partition(b" ")
        if not space or not length.isdigit() or not 0 < int(length[:9]) <= len(records):
            break
        key, _, value = records[len(length) + 1 : int(length)].partition(b"=")
        if key == b"path":
            found = value.rstrip(b"\n").decode(errors="replace")
        records = records[int(length) :]
    return found


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _unreadable(reason: str) -> InvalidObject:
    return InvalidObject(f"a layer of the image is no readable tar+gzip: {reason}")
