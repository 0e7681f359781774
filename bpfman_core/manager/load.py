"""Loads programs of one object: all of them, or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bpfman_core import elf
from bpfman_core.api import LoadRequest, ProgramRequest
from bpfman_core.bound import BoundType
from bpfman_core.bytecode import Bytecode
from bpfman_core.errors import InvalidRequest, NotFound
from bpfman_core.globals import writes
from bpfman_core.kernel import libbpf, objects, pins, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.objects import LoadedObject, ObjectProgram
from bpfman_core.manager import labels
from bpfman_core.manager.attach import attach
from bpfman_core.manager.context import Context
from bpfman_core.manager.unload import unload
from bpfman_core.model import LoadOptions, ProgramRecord, ProgramSpec, ProgramState
from bpfman_core.plan import Plan

_log = logging.getLogger(__name__)

_PRIVATE = ".rodata"
"""Maps whose names begin so hold a program's own constants: they are never shared."""


@dataclass(frozen=True)
class _Chosen:
    """A program of the object that was asked for, and what it shall be."""

    function: elf.Function
    bound: BoundType
    options: LoadOptions


def load(context: Context, request: LoadRequest, bytecode: Bytecode) -> tuple[ProgramRecord, ...]:
    """Load what is asked for, and attach it where that is asked for too."""
    parsed = elf.parse(bytecode.data)
    chosen = [_choose(context, wanted, parsed, bytecode) for wanted in request.programs]
    _refuse_twins(chosen)
    labels.check_maps(bytecode)
    owner = _owner(context, request.map_owner_id)
    with (
        Plan() as plan,
        objects.load(
            bytecode.data,
            [_settings(each) for each in chosen],
            writes=writes(request.globals, parsed),
            reuse=_shared(context, owner),
        ) as loaded,
    ):
        records = _records(chosen, loaded, owner, request, bytecode)
        plan.undo("unload the programs", lambda: _take_back(context, records))
        context.store.put_programs(*records)
        _pin(context, records, loaded)
        records = tuple(replace(record, state=ProgramState.LOADED) for record in records)
        context.store.put_programs(*records)
        for record in records:
            _log.info(
                "loaded program %d (%s, type %s)", record.id, record.spec.name, record.spec.type
            )
        if request.attach is not None:
            for record in records:
                attach(context, record, request.attach)
    return records


def _choose(
    context: Context, wanted: ProgramRequest, parsed: elf.Object, bytecode: Bytecode
) -> _Chosen:
    bound = context.type(wanted.type)
    options = bound.type.load_options.parse(wanted.options, wanted.type)
    function = parsed.resolve(wanted.name or bytecode.function)
    kind = libbpf.section_kind(function.section)
    if kind is not None and kind != bound.type.kind:
        fitting = [word for word, one in context.registry.types.items() if one.type.kind == kind]
        raise InvalidRequest(
            f"program {function.name!r} is in section {function.section!r}, which is for "
            f"{programs.kind_name(kind)} programs; it cannot be loaded as {wanted.type}",
            hint=f"load it as {' or '.join(sorted(fitting))}" if fitting else None,
        )
    labels.check_type(context.registry, bound, function.name, bytecode.types)
    return _Chosen(function, bound, options)


def _refuse_twins(chosen: Sequence[_Chosen]) -> None:
    names = [each.function.name for each in chosen]
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequest(f"program {name!r} is named twice")


def _owner(context: Context, owner_id: int | None) -> ProgramRecord | None:
    if owner_id is None:
        return None
    try:
        owner = context.store.program(owner_id)
    except NotFound:
        raise InvalidRequest(
            f"there is no program {owner_id} whose maps could be shared",
            hint="`bpfman list` shows the programs",
        ) from None
    if owner.maps_of != owner.id:
        raise InvalidRequest(
            f"program {owner_id} itself uses the maps of program {owner.maps_of}",
            hint=f"give --map-owner-id {owner.maps_of}",
        )
    return owner


def _settings(chosen: _Chosen) -> ObjectProgram:
    kind = chosen.bound.type
    settings = chosen.options.settings()
    return ObjectProgram(
        *(chosen.function.name, kind.kind, kind.expected_attach_type),
        flags=settings.flags,
        attach_to=settings.attach_to,
    )


def _shared(context: Context, owner: ProgramRecord | None) -> Callable[[str], Fd | None]:
    """Finds the owner's map of a name, if there is an owner and it has one."""

    def find(name: str) -> Fd | None:
        if owner is None or name.startswith(_PRIVATE):
            return None
        return pins.open_pin_if_any(context.paths.map_pin(owner.id, name))

    return find


def _records(
    chosen: Iterable[_Chosen],
    loaded: LoadedObject,
    owner: ProgramRecord | None,
    request: LoadRequest,
    bytecode: Bytecode,
) -> tuple[ProgramRecord, ...]:
    """The records to be, in state LOADING; the first program owns the maps of them all."""
    records: list[ProgramRecord] = []
    for each in chosen:
        number = programs.info(loaded.programs[each.function.name]).id
        maps_of = owner.id if owner else records[0].id if records else number
        spec = ProgramSpec(
            name=each.function.name,
            type=each.bound.type.word,
            origin=bytecode.origin,
            globals=request.globals,
            metadata=request.metadata,
            application=request.application,
            map_owner_id=request.map_owner_id,
            options=each.options.as_dict(),
        )
        records.append(ProgramRecord(number, spec, maps_of, ProgramState.LOADING))
    return tuple(records)


def _pin(context: Context, records: Sequence[ProgramRecord], loaded: LoadedObject) -> None:
    """Pin the maps, those apart that the owner has pinned already, and the programs."""
    owner = records[0].maps_of
    context.paths.maps(owner).mkdir(exist_ok=True)
    for name, held in loaded.maps.items():
        pin = context.paths.map_pin(owner, name)
        if not pin.exists():
            pins.pin(held, pin)
    for record in records:
        pins.pin(loaded.programs[record.spec.name], context.paths.program_pin(record.id))


def _take_back(context: Context, records: Iterable[ProgramRecord]) -> None:
    for record in records:
        unload(context, record)
