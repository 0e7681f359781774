"""Options of program types as messages, and back: typed, whichever type they belong to."""

from __future__ import annotations

from collections.abc import Mapping

from bpfman_core.errors import InvalidRequest
from bpfman_core.model import Json
from bpfman_core.rpc.generated.extra_pb2 import OptionValue

_NUMBERS = range(-(2**63), 2**63)


def to_wire(options: Mapping[str, Json]) -> dict[str, OptionValue]:
    """Options by name. Raises InvalidRequest for a value that is none an option can have."""
    return {name: _to_value(name, value) for name, value in options.items()}


def from_wire(options: Mapping[str, OptionValue]) -> dict[str, Json]:
    """The inverse of `to_wire`; tuples come back as lists, names in alphabetical order."""
    return {name: _from_value(value) for name, value in sorted(options.items())}


def _to_value(name: str, value: Json) -> OptionValue:
    match value:
        case None:
            return OptionValue()
        case bool():
            return OptionValue(flag=value)
        case int() if value in _NUMBERS:
            return OptionValue(number=value)
        case str():
            return OptionValue(text=value)
        case list() | tuple() if all(isinstance(item, str) for item in value):
            return OptionValue(list=OptionValue.TextList(items=value))
    raise InvalidRequest(f"option {name}: {value!r} is no text, flag, 64-bit number or text list")


def _from_value(value: OptionValue) -> Json:
    match value.WhichOneof("value"):
        case "text":
            return value.text
        case "number":
            return value.number
        case "flag":
            return value.flag
        case "list":
            return list(value.list.items)
        case _:
            return None
