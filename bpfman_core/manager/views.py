"""What there is, as users see it. Reads only, without the writer lock."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator

from bpfman_core.api import ListRequest
from bpfman_core.errors import BpfmanError, KernelError, NotFound, PluginError
from bpfman_core.kernel import programs
from bpfman_core.manager.context import Context
from bpfman_core.model import (
    ChainView,
    KernelProgram,
    LinkRecord,
    LinkStatus,
    LinkView,
    ProgramRecord,
    ProgramView,
)

_log = logging.getLogger(__name__)

_PIN_GONE = LinkStatus(attached=False, detail="its pin is gone")


def list_programs(context: Context, request: ListRequest) -> tuple[ProgramView, ...]:
    """The programs that meet the request's conditions, by id."""
    users = context.store.programs()
    ours = (_of_ours(context, record, users, request.details) for record in users)
    found = [view for view in ours if view is not None]
    if request.all:
        found += _foreign({record.id for record in users})
    return tuple(
        sorted((view for view in found if _meets(view, request)), key=lambda view: view.kernel.id)
    )


def program_view(context: Context, program_id: int) -> ProgramView:
    """One program with all details. Raises NotFound where neither we nor the kernel know it."""
    users = context.store.programs()
    record = next((each for each in users if each.id == program_id), None)
    view = _of_ours(context, record, users, details=True) if record else _of_others(program_id)
    if view is None:
        raise NotFound(f"there is no program with id {program_id}", hint="`bpfman list` shows them")
    return view


def link_view(context: Context, record: LinkRecord) -> LinkView:
    """One link with what its plugin sees and renders."""
    status = status_of(context, record)
    return LinkView(
        id=record.id,
        program_id=record.program_id,
        type=record.type,
        options=record.options,
        metadata=record.metadata,
        attached=status.attached,
        position=status.position,
        detail=status.detail,
        rows=_rows(context, record, status),
    )


def chain_views(context: Context, netns: str | None) -> tuple[ChainView, ...]:
    """What each plugin shows of its hooks; one that fails is logged, and shows none."""
    found: list[ChainView] = []
    for word, bound in context.registry.types.items():
        records = [record for record in context.store.links() if record.type == word]
        try:
            links = [context.link(record) for record in records]
            found += bound.chains(links, context.host(word), netns)
        except PluginError as error:
            _log.error("cannot show the hooks of %s: %s", word, error)
    return tuple(found)


def status_of(context: Context, record: LinkRecord) -> LinkStatus:
    """What is there now of a link; where its plugin cannot say, the detail is why."""
    try:
        status = context.type(record.type).status(context.link(record), context.host(record.type))
    except BpfmanError as error:
        return LinkStatus(attached=False, detail=error.message)
    if status is not None:
        return status
    pinned = context.paths.link_pin(record.id).exists()
    return LinkStatus(attached=True) if pinned else _PIN_GONE


def _rows(context: Context, record: LinkRecord, status: LinkStatus) -> tuple[tuple[str, str], ...]:
    try:
        return context.type(record.type).render(context.link(record), status)
    except BpfmanError:
        return ()


def _of_ours(
    context: Context, record: ProgramRecord, users: list[ProgramRecord], details: bool
) -> ProgramView | None:
    kernel = _kernel(record.id)
    if kernel is None:
        return None
    links = context.store.links(record.id)
    return ProgramView(
        kernel=kernel,
        type=record.spec.type,
        spec=record.spec,
        map_pin_path=str(context.paths.maps(record.maps_of)),
        map_used_by=tuple(each.id for each in users if each.maps_of == record.maps_of),
        links=tuple(link_view(context, link) for link in links) if details else (),
        link_ids=tuple(link.id for link in links),
    )


def _of_others(program_id: int) -> ProgramView | None:
    kernel = _kernel(program_id)
    return ProgramView(kernel, programs.kind_name(kernel.type)) if kernel else None


def _foreign(ours: set[int]) -> Iterator[ProgramView]:
    for program_id in programs.ids():
        view = None if program_id in ours else _of_others(program_id)
        if view is not None:
            yield view


def _kernel(program_id: int) -> KernelProgram | None:
    """What the kernel says of a program, None where it has none of that id."""
    try:
        with programs.open_by_id(program_id) as program:
            return programs.info(program)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


def _meets(view: ProgramView, request: ListRequest) -> bool:
    metadata = view.spec.metadata if view.spec else {}
    application = view.spec.application if view.spec else None
    return (
        (not request.types or view.type in request.types)
        and request.kind in (None, view.kernel.type)
        and request.metadata.items() <= metadata.items()
        and request.application in (None, application)
    )
