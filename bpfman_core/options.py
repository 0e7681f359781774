"""Typed options of a program type: one class gives flags, parsing, validation and help.

    class XdpOptions(Options):
        iface: str = option("-i", "--iface", help="Interface to attach to")
        proceed_on: tuple[str, ...] = option("--proceed-on", default=("pass",), choices=VERDICTS)

A field is a str, int or bool, an optional one of these, or a tuple of strings (a repeatable flag).
One without a default is required.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, dataclass_transform

from bpfman_core.errors import InvalidRequest, did_you_mean

Value = str | int | bool | tuple[str, ...] | None

_KINDS: dict[type, str] = {int: "a whole number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Field:
    """One option as declared: what the CLI, the parser and the docs need of it."""

    name: str
    flags: tuple[str, ...]
    help: str
    kind: type
    multiple: bool
    required: bool
    default: Value
    choices: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    metavar: str | None
    changeable: bool

    def check(self, value: object) -> Value:
        """`value` in the field's type. Raises InvalidRequest that says what would be accepted."""
        if value is None and not self.required and self.default is None:
            return None
        if self.multiple:
            if isinstance(value, str) or not isinstance(value, list | tuple):
                raise InvalidRequest(f"{self.flags[-1]}: expects a list, not {value!r}")
            return tuple(str(self._check_one(item)) for item in value)
        return self._check_one(value)

    def _check_one(self, value: object) -> str | int | bool:
        if not isinstance(value, self.kind) or (self.kind is int and isinstance(value, bool)):
            raise InvalidRequest(f"{self.flags[-1]}: expects {_KINDS[self.kind]}, not {value!r}")
        if self.choices and value not in self.choices:
            raise InvalidRequest(
                f"{self.flags[-1]}: {value!r} is none of {', '.join(self.choices)}",
                hint=did_you_mean(str(value), self.choices),
            )
        if isinstance(value, int) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            if (low is not None and value < low) or (high is not None and value > high):
                raise InvalidRequest(f"{self.flags[-1]}: {value} is not within {low} to {high}")
        assert isinstance(value, str | int | bool)
        return value


def option(
    *flags: str,
    help: str,
    default: Any = dataclasses.MISSING,
    choices: tuple[str, ...] = (),
    minimum: int | None = None,
    maximum: int | None = None,
    metavar: str | None = None,
    changeable: bool = False,
) -> Any:
    """Declare one option of an Options class; the last of `flags` is the one named in messages.

    `changeable` ones can be changed while a link runs, if the plugin has `bpfman_update`.
    """
    about = {
        "flags": flags,
        "help": help,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "metavar": metavar,
        "changeable": changeable,
    }
    return dataclasses.field(default=default, metadata=about)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(option,))
class Options:
    """Base of a program type's options; every subclass is a frozen dataclass."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    @cache
    def fields(cls) -> tuple[Field, ...]:
        """The options in the order of their declaration."""
        if cls is Options:
            return ()
        hints = typing.get_type_hints(cls)
        declared = dataclasses.fields(typing.cast("Any", cls))
        return tuple(_field(entry, hints[entry.name]) for entry in declared)

    @classmethod
    def parse(cls, values: Mapping[str, object], word: str) -> Self:
        """Options out of untyped values by name; `word`, the program type, is for messages.

        Raises InvalidRequest for an unknown, missing or ill-typed option.
        """
        fields = {field.name: field for field in cls.fields()}
        for name in values:
            if name not in fields:
                known = did_you_mean(name, fields) or f"it has: {', '.join(fields) or 'none'}"
                raise InvalidRequest(f"{word} has no option {name!r}", hint=known)
        checked: dict[str, Value] = {}
        for name, field in fields.items():
            if name in values:
                try:
                    checked[name] = field.check(values[name])
                except InvalidRequest as error:
                    raise InvalidRequest(f"{word} {error.message}", hint=error.hint) from None
            elif field.required:
                raise InvalidRequest(f"{word} needs {' / '.join(field.flags)} ({field.help})")
        return cls(**checked)

    def as_dict(self) -> dict[str, Value]:
        """The values by name; JSON can hold them."""
        return {field.name: getattr(self, field.name) for field in self.fields()}


def _field(declared: dataclasses.Field[Any], hint: object) -> Field:
    required = declared.default is dataclasses.MISSING
    kind, multiple = _kind(hint)
    return Field(
        name=declared.name,
        kind=kind,
        multiple=multiple,
        required=required,
        default=None if required else typing.cast("Value", declared.default),
        **declared.metadata,
    )


def _kind(hint: object) -> tuple[type, bool]:
    if typing.get_origin(hint) is tuple:
        return str, True
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if not isinstance(hint, type) or hint not in _KINDS:
        raise TypeError(f"an option cannot be of type {hint}")
    return hint, False
