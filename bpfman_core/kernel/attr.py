"""Packing of `union bpf_attr` and the buffers that it points to."""

from __future__ import annotations

import ctypes
import struct

Buffer = ctypes.Array[ctypes.c_char]


def pack(layout: str, *values: int | bytes, size: int = 0) -> Buffer:
    """`values` packed by a `struct` layout in native order, zero-padded to `size` bytes."""
    data = struct.pack("=" + layout, *values)
    return buffer(data.ljust(size, b"\0"))


def buffer(data: bytes) -> Buffer:
    """A C buffer that holds exactly `data`."""
    return (ctypes.c_char * max(len(data), 1)).from_buffer_copy(data or b"\0")


def room(size: int) -> Buffer:
    """An empty C buffer of `size` bytes."""
    return (ctypes.c_char * max(size, 1))()


def address(held: Buffer | None) -> int:
    """Where `held` lies; 0 for None. The caller keeps it alive through the call."""
    return ctypes.addressof(held) if held is not None else 0
