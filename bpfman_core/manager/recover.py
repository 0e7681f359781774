"""Makes store, pins and kernel agree again after a crash, or after somebody removed our pins.

A load or attach that was cut short is undone; an update, detach or unload is finished. A program
whose pin is gone is let go of with its links. Pins that the store does not know stay and are named
in the log: only a lost store leaves such, and what they hold may be somebody's firewall.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from bpfman_core.errors import BpfmanError
from bpfman_core.manager.attach import detach, finish_update
from bpfman_core.manager.context import Context
from bpfman_core.manager.unload import unload
from bpfman_core.model import LinkState, ProgramState

_log = logging.getLogger(__name__)


def due(context: Context) -> bool:
    """Whether there is anything to recover, as far as store and pins of programs show."""
    return any(link.state is not LinkState.ATTACHED for link in context.store.links()) or any(
        record.state is not ProgramState.LOADED or not context.paths.program_pin(record.id).exists()
        for record in context.store.programs()
    )


def recover(context: Context) -> None:
    """Finish or undo what is in flux. What fails is logged and tried again the next time."""
    for link in context.store.links():
        match link.state:
            case LinkState.ATTACHING | LinkState.DETACHING:
                _try(f"link {link.id}, {link.state}", detach, context, link)
            case LinkState.UPDATING:
                _try(f"link {link.id}, {link.state}", finish_update, context, link)
    for program in context.store.programs():
        pinned = context.paths.program_pin(program.id).exists()
        if program.state is not ProgramState.LOADED or not pinned:
            found = program.state if pinned else "no longer pinned"
            _try(f"program {program.id}, {found}", unload, context, program)
    _let_plugins_recover(context)
    _name_strangers(context)


def _try(what: str, mend: Callable[..., None], *arguments: object) -> None:
    _log.warning("found %s: cleaning up", what)
    try:
        mend(*arguments)
    except BpfmanError as error:
        _log.error("cannot clean up %s: %s", what, error)


def _let_plugins_recover(context: Context) -> None:
    for word, bound in context.registry.types.items():
        records = [record for record in context.store.links() if record.type == word]
        try:
            bound.recover([context.link(record) for record in records], context.host(word))
        except BpfmanError as error:
            _log.error("cannot recover %s links: %s", word, error)


def _name_strangers(context: Context) -> None:
    known = {str(record.id) for record in context.store.programs()}
    for pin in sorted((context.paths.bpffs / "programs").iterdir()):
        if pin.name not in known:
            _log.warning("%s is pinned, but not in the store: remove it by hand", pin)
