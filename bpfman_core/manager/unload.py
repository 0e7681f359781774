"""Unloads programs."""

from __future__ import annotations

import logging
from dataclasses import replace

from bpfman_core.errors import BpfmanError
from bpfman_core.kernel import pins
from bpfman_core.manager.attach import detach
from bpfman_core.manager.context import Context
from bpfman_core.manager.views import status_of
from bpfman_core.model import LinkRecord, ProgramRecord, ProgramState
from bpfman_core.plan import Plan

_log = logging.getLogger(__name__)


def unload(context: Context, record: ProgramRecord) -> None:
    """Detach all links of a program, unpin it, and its maps if nobody else uses them."""
    with Plan() as plan:
        context.store.put_programs(replace(record, state=ProgramState.UNLOADING))
        plan.undo("remember the program", lambda: context.store.put_programs(record))
        for link in context.store.links(record.id):
            detach(context, link)
        pins.unpin(context.paths.program_pin(record.id))
        users = [each for each in context.store.programs() if each.maps_of == record.maps_of]
        if len(users) == 1:
            pins.remove_directory(context.paths.maps(record.maps_of))
    context.store.drop_program(record.id)
    _log.info("unloaded program %d (%s)", record.id, record.spec.name)


def unload_all(context: Context) -> None:
    """Unload everything; each hook loses its last program first. What fails is logged and stays."""
    for link in sorted(context.store.links(), key=lambda link: -_position(context, link)):
        try:
            detach(context, link)
        except BpfmanError as error:
            _log.error("link %d stays: %s", link.id, error)
    for record in context.store.programs():
        try:
            unload(context, record)
        except BpfmanError as error:
            _log.error("program %d stays: %s", record.id, error)


def _position(context: Context, link: LinkRecord) -> int:
    return status_of(context, link).position or 0
