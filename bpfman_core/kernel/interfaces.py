"""Network interfaces: their numbers, and who else sits on them.

Cheap things by the C library, the rest by rtnetlink through pyroute2, which takes 0.2 s to import.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from bpfman_core.errors import InvalidRequest, did_you_mean

_XDP_MODES = {"xdp": "native", "xdpgeneric": "generic", "xdpoffload": "offload"}  # pyroute2's words


@dataclass(frozen=True)
class XdpOccupant:
    """An XDP program on an interface: its kernel id and its mode."""

    program_id: int
    mode: str


def index(name: str) -> int:
    """The ifindex of an interface in this namespace. Raises InvalidRequest with near misses."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        known = [each for _, each in socket.if_nameindex()]
        hint = did_you_mean(name, known) or f"there are: {', '.join(known[:8])}"
        raise InvalidRequest(f"there is no interface {name!r}", hint=hint) from None


def exists(ifindex: int) -> bool:
    """Whether this namespace has an interface with that number."""
    try:
        socket.if_indextoname(ifindex)
    except OSError:
        return False
    return True


def names() -> list[str]:
    """The interfaces of this namespace."""
    return [name for _, name in socket.if_nameindex()]


def xdp_occupant(ifindex: int) -> XdpOccupant | None:
    """The XDP program that rtnetlink shows on an interface, in whichever mode."""
    name = socket.if_indextoname(ifindex)
    return xdp_occupants().get(name)


def xdp_occupants() -> dict[str, XdpOccupant]:
    """The XDP programs that rtnetlink shows in this namespace, by the interface's name."""
    from pyroute2 import IPRoute

    found = {}
    with IPRoute() as route:
        for message in route.get_links():
            xdp = message.get_attr("IFLA_XDP")
            program_id = xdp.get_attr("IFLA_XDP_PROG_ID") if xdp is not None else None
            if program_id:
                mode = _XDP_MODES.get(xdp.get_attr("IFLA_XDP_ATTACHED"), "several modes")
                found[message.get_attr("IFLA_IFNAME")] = XdpOccupant(int(program_id), mode)
    return found
