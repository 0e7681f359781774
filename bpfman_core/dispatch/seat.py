"""Where a dispatcher sits: on a BPF link that a pin keeps, unless a plugin says otherwise."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bpfman_core.dispatch.hook import Attach
from bpfman_core.errors import Conflict, KernelError
from bpfman_core.kernel import links, pins, programs
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import LinkInfo


@dataclass(frozen=True)
class Seated:
    """A dispatcher on its hook; not `alive` once the interface is gone."""

    dispatcher: Fd
    alive: bool
    link: Fd | None = None


class Seat(Protocol):
    """One hook's place for a dispatcher."""

    def find(self) -> Seated | None:
        """The dispatcher that is there now, None where there is none of ours."""
        ...

    def put(self, dispatcher: Fd, attach: Attach | None) -> None:
        """Make the first one sit here; `attach` is what the chain was given for it."""
        ...

    def replace(self, seated: Seated, dispatcher: Fd) -> None:
        """Put another in its place, in one step. Raises Conflict where it is no longer there."""
        ...

    def leave(self, seated: Seated | None) -> None:
        """Take it away, and whatever a `put` that was cut short has left."""
        ...


@dataclass(frozen=True)
class LinkSeat:
    """A BPF link, kept by a pin: the hook is free as soon as the pin is gone."""

    pin: Path

    def find(self) -> Seated | None:
        """See `Seat`."""
        link = pins.open_pin_if_any(self.pin)
        if link is None:
            return None
        about, dispatcher = _open_dispatcher(link)
        return Seated(dispatcher, bool(about.ifindex), link)

    def put(self, dispatcher: Fd, attach: Attach | None) -> None:
        """See `Seat`."""
        assert attach is not None
        with attach(dispatcher) as link:
            pins.pin(link, self.pin)

    def replace(self, seated: Seated, dispatcher: Fd) -> None:
        """See `Seat`."""
        assert seated.link is not None
        try:
            links.update(seated.link, dispatcher, seated.dispatcher)
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise replaced() from None
            raise

    def leave(self, seated: Seated | None) -> None:
        """See `Seat`."""
        pins.unpin(self.pin)
        if seated is not None and seated.link is not None:
            seated.dispatcher.close()
            links.destroy(seated.link)


def replaced() -> Conflict:
    """What to raise where a hook runs another dispatcher than it should."""
    return Conflict("another process replaced the dispatcher on this hook", hint="detach all of it")


def _open_dispatcher(link: Fd) -> tuple[LinkInfo, Fd]:
    """What a link says of itself, and its program; again, if that was replaced in between."""
    while True:
        about = links.info(link)
        try:
            return about, programs.open_by_id(about.program_id)
        except KernelError as error:
            if error.errno != errno.ENOENT or links.info(link).program_id == about.program_id:
                raise
