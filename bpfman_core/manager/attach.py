"""Attaches programs, changes and detaches links."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from bpfman_core.api import AttachPart
from bpfman_core.bound import BoundType
from bpfman_core.errors import BpfmanError, InvalidRequest
from bpfman_core.kernel import links, pins
from bpfman_core.manager.context import Context
from bpfman_core.model import Json, Link, LinkRecord, LinkState, ProgramRecord
from bpfman_core.plan import Plan

_log = logging.getLogger(__name__)


def attach(context: Context, program: ProgramRecord, part: AttachPart) -> LinkRecord:
    """Attach a loaded program as `part` says; gives the stored link."""
    bound = _attachable(context, program, part.type)
    options = bound.type.options.parse(part.options, part.type)
    host = context.host(part.type)
    with Plan() as plan:
        record = context.store.add_link(
            LinkRecord(
                id=0,
                program_id=program.id,
                type=part.type,
                options=options.as_dict(),
                metadata=part.metadata,
                state=LinkState.ATTACHING,
            )
        )
        plan.undo("forget the link", lambda: context.store.drop_link(record.id))
        link = context.link(record)
        bound.validate(link, host)
        plan.undo("detach the link", lambda: _release(context, bound, link))
        attached = bound.attach(link, host)
        if attached.link is not None:
            with attached.link as held:
                pins.pin(held, context.paths.link_pin(record.id))
        record = replace(record, output=dict(attached.state), state=LinkState.ATTACHED)
        context.store.put_link(record)
    _log.info("attached program %d as %s link %d", program.id, record.type, record.id)
    return record


def update(context: Context, record: LinkRecord, options: Mapping[str, Json]) -> LinkRecord:
    """Change some options of a running link, in one step."""
    bound = context.type(record.type)
    if not bound.updatable:
        raise InvalidRequest(
            f"a {record.type} link cannot be changed while it runs",
            hint="detach it and attach the program anew",
        )
    parsed = bound.type.options.parse({**record.options, **options}, record.type)
    _require_changeable(bound, options)
    changed = replace(record, options=parsed.as_dict(), state=LinkState.UPDATING)
    link, previous = context.link(changed), context.link(record)
    bound.validate(link, context.host(record.type))
    with Plan() as plan:
        context.store.put_link(changed)
        plan.undo("remember the link as it was", lambda: context.store.put_link(record))
        changed = _change(context, bound, link, previous, changed)
    _log.info("changed %s link %d", record.type, record.id)
    return changed


def finish_update(context: Context, record: LinkRecord) -> None:
    """Do an interrupted update again; if it cannot be done, the link stays as it is."""
    link = context.link(record)
    try:
        _change(context, context.type(record.type), link, link, record)
    except BpfmanError:
        context.store.put_link(replace(record, state=LinkState.ATTACHED))
        raise


def detach(context: Context, record: LinkRecord) -> None:
    """Take a link off its hook and forget it."""
    bound, link = context.type(record.type), context.link(record)
    with Plan() as plan:
        context.store.put_link(replace(record, state=LinkState.DETACHING))
        plan.undo("remember the link", lambda: context.store.put_link(record))
        _release(context, bound, link)
    context.store.drop_link(record.id)
    _log.info("detached %s link %d of program %d", record.type, record.id, record.program_id)


def _require_changeable(bound: BoundType, options: Mapping[str, Json]) -> None:
    fields = [field for field in bound.type.options.fields() if field.changeable]
    if not options or not options.keys() <= {field.name for field in fields}:
        flags = " and ".join(field.flags[-1] for field in fields)
        raise InvalidRequest(
            f"of a running {bound.type.word} link only {flags} can be changed",
            hint="for anything else detach it and attach the program anew",
        )


def _change(
    context: Context, bound: BoundType, link: Link, previous: Link, record: LinkRecord
) -> LinkRecord:
    attached = bound.update(link, previous, context.host(record.type))
    changed = replace(record, output=dict(attached.state), state=LinkState.ATTACHED)
    context.store.put_link(changed)
    return changed


def _release(context: Context, bound: BoundType, link: Link) -> None:
    """Let go of all that an attach may have made, finished or not."""
    bound.detach(link, context.host(bound.type.word))
    pin = context.paths.link_pin(link.id)
    held = pins.open_pin_if_any(pin)
    if held is not None:
        with held:
            pins.unpin(pin)
            links.destroy(held)


def _attachable(context: Context, program: ProgramRecord, word: str) -> BoundType:
    """The type called `word`, if programs such as this one attach by it."""
    wanted = context.type(word)
    if word != program.spec.type:
        own = context.type(program.spec.type)
        if (own.distribution, own.type.kind) != (wanted.distribution, wanted.type.kind):
            raise InvalidRequest(
                f"program {program.id} ({program.spec.name}) is of type "
                f"{program.spec.type}, it cannot be attached as {word}",
                hint=f"`bpfman attach {program.id} {program.spec.type} --help` says how",
            )
    return wanted
