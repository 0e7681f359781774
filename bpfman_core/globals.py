"""Values of global variables, as users write them and as they go into an object."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bpfman_core.elf import Global, Object
from bpfman_core.errors import InvalidRequest, did_you_mean

_FORMS = "write NAME=HEX, NAME=u32:10 (u8 to i64) or NAME=str:text"


@dataclass(frozen=True)
class GlobalWrite:
    """Bytes to put into a section of an object before it is loaded."""

    section: str
    offset: int
    data: bytes


def parse(text: str) -> tuple[str, bytes]:
    """Name and bytes out of `NAME=VALUE`; integers are in the host's byte order.

    VALUE is hexadecimal digits, or a number after u8: to i64:, or text after str:, which gets the
    NUL that ends it. Raises InvalidRequest.
    """
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise InvalidRequest(f"{text!r} sets no global variable", hint=_FORMS)
    kind, colon, rest = value.partition(":")
    if kind == "str" and colon:
        return name, rest.encode() + b"\0"
    number = re.fullmatch(r"([ui])(8|16|32|64)", kind)
    if number and colon:
        return name, _number(text, rest, int(number[2]), signed=number[1] == "i")
    try:
        return name, bytes.fromhex(value.removeprefix("0x"))
    except ValueError:
        raise InvalidRequest(f"{text!r} has no value that can be read", hint=_FORMS) from None


def writes(values: Mapping[str, bytes], parsed: Object) -> tuple[GlobalWrite, ...]:
    """Where the values go in an object.

    A value has the size of its variable; only a text, printable and ended by NUL, may be shorter
    and is followed by zeros. Raises InvalidRequest.
    """
    return tuple(_write(name, value, parsed) for name, value in values.items())


def _write(name: str, value: bytes, parsed: Object) -> GlobalWrite:
    found = [one for one in parsed.globals if one.name == name]
    if not found:
        known = ", ".join(f"{one.name} ({one.size} bytes)" for one in parsed.globals) or "none"
        raise InvalidRequest(
            f"the object has no global variable {name!r}; it has: {known}",
            hint=did_you_mean(name, [one.name for one in parsed.globals]),
        )
    if len(found) > 1:
        raise InvalidRequest(f"the object has {len(found)} global variables called {name!r}")
    variable = found[0]
    return GlobalWrite(variable.section, variable.offset, _fitted(value, variable))


def _fitted(value: bytes, variable: Global) -> bytes:
    if len(value) < variable.size and _is_text(value):
        return value.ljust(variable.size, b"\0")
    if len(value) != variable.size:
        raise InvalidRequest(
            f"global variable {variable.name!r} has {variable.size} bytes, the value {len(value)}"
        )
    return value


def _is_text(value: bytes) -> bool:
    return (
        len(value) > 1
        and value.endswith(b"\0")
        and value[:-1].decode("ascii", "replace").isprintable()
    )


def _number(text: str, digits: str, bits: int, *, signed: bool) -> bytes:
    try:
        return int(digits, 0).to_bytes(bits // 8, sys.byteorder, signed=signed)
    except ValueError:
        raise InvalidRequest(f"{text!r} has no number", hint=_FORMS) from None
    except OverflowError:
        raise InvalidRequest(f"{text!r}: the number does not fit {bits} bits") from None
