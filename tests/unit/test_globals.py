"""Values of global variables, as users write them."""

from __future__ import annotations

import sys

import pytest

from bpfman_core.elf import Function, Global, Object
from bpfman_core.errors import InvalidRequest
from bpfman_core.globals import GlobalWrite, parse, writes

OBJECT = Object(
    (Function("f", "xdp"),),
    (
        Global("number", ".rodata", 8, 4),
        Global("text", ".bss", 0, 16),
        Global("twice", ".data", 0, 4),
        Global("twice", ".bss", 16, 4),
    ),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=00ff", b"\x00\xff"),
        ("a=0x0A", b"\x0a"),
        ("a=", b""),
        ("a=u8:255", b"\xff"),
        ("a=u32:10", (10).to_bytes(4, sys.byteorder)),
        ("a=i64:-1", b"\xff" * 8),
        ("a=u16:0x10", (16).to_bytes(2, sys.byteorder)),
        ("a=str:eth0", b"eth0\0"),
        ("a=str:b=c:d", b"b=c:d\0"),
    ],
)
def test_values(text: str, value: bytes) -> None:
    assert parse(text) == ("a", value)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "=00",
        "a=0",
        "a=xyz",
        "a=u32:",
        "a=u32:ten",
        "a=u8:256",
        "a=u8:-1",
        "a=i8:128",
        "a=u7:1",
    ],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)
    assert repr(text) in str(caught.value)


def test_where_values_go() -> None:
    assert writes({"number": b"\1\2\3\4"}, OBJECT) == (GlobalWrite(".rodata", 8, b"\1\2\3\4"),)
    padded = b"eth0".ljust(16, b"\0")
    assert writes({"text": b"eth0\0"}, OBJECT) == (GlobalWrite(".bss", 0, padded),)
    assert writes({}, OBJECT) == ()


@pytest.mark.parametrize("value", [b"", b"\1", b"\1\0", b"\0", b"\1\2\3\4\5", b"a" * 15])
def test_wrong_sizes(value: bytes) -> None:
    for name in ("number", "text"):
        with pytest.raises(InvalidRequest, match=f"the value {len(value)}$"):
            writes({name: value}, OBJECT)


def test_names_that_are_not_there_or_there_twice() -> None:
    with pytest.raises(InvalidRequest, match=r"it has: number \(4 bytes\), .*did you mean number"):
        writes({"numbr": b""}, OBJECT)
    with pytest.raises(InvalidRequest, match="2 global variables called 'twice'"):
        writes({"twice": b"\0" * 4}, OBJECT)
