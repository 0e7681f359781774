"""The least BTF with which the kernel lets functions of a program make tail calls.

A tail call from a function other than the main one needs BTF that gives every function the type
`int (struct CONTEXT *ctx)` (kernel/bpf/verifier.c, "tail_call is not allowed in subprogs without
BTF"). The functions are declared global: for static ones the verifiers of Linux 6.1 and 6.12 follow
only the path on which the tail call fails, and remove the code for all other verdicts as dead.
Format: Documentation/bpf/btf.rst.
"""

from __future__ import annotations

import struct

_INT, _PTR, _STRUCT, _FUNC, _FUNC_PROTO = 1, 2, 4, 12, 13
_SIGNED = 1 << 24
_GLOBAL = 1
_CONTEXT_SIZE = 24  # bytes; any size will do for a struct without members

FIRST_FUNCTION = 5
"""The type id of the first function; the others follow."""


def describe(functions: list[str], context: str) -> bytes:
    """BTF for `functions`, all taking `struct <context> *`: type ids FIRST_FUNCTION, and so on."""
    strings = b"\0"
    types = b""

    def name(text: str) -> int:
        nonlocal strings
        at = len(strings)
        strings += text.encode() + b"\0"
        return at

    def add(text: str, kind: int, count: int, size_or_type: int, *rest: int) -> None:
        nonlocal types
        head = (name(text) if text else 0, kind << 24 | count, size_or_type)
        types += struct.pack(f"={3 + len(rest)}I", *head, *rest)

    add("int", _INT, 0, 4, _SIGNED | 32)  # id 1
    add(context, _STRUCT, 0, _CONTEXT_SIZE)  # id 2
    add("", _PTR, 0, 2)  # id 3
    add("", _FUNC_PROTO, 1, 1, name("ctx"), 3)  # id 4
    for function in functions:
        add(function, _FUNC, _GLOBAL, 4)
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings))
    return header + types + strings
