"""Where the chains keep their pins, and where their dispatchers sit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bpfman_core.plugin import Host, Link, LinkSeat, Seat
from bpfman_tc.clsact import ClsactSeat, inode_of

_CLSACT = "-clsact"


def chains_of(host: Host) -> Host:
    """The host as the chains see it: beside their directories lie the markers of our qdiscs."""
    return replace(host, pins=host.pins / "chains")


def on(place: Path, hook: str) -> Path:
    """The directory of the chain on a hook of a place, NAMESPACE-IFINDEX-DIRECTION."""
    return place.with_name(place.name + _CLSACT) if hook == "clsact" else place


def seat(directory: Path, link: Link | None) -> Seat | None:
    """Where the dispatcher of a chain sits; on clsact that cannot be said without a link.

    A filter is found through its network namespace, and only links know the path of that.
    """
    place = directory.name.removesuffix(_CLSACT)
    if place == directory.name:
        return LinkSeat(directory / "link")
    namespace, ifindex, direction = place.split("-")
    if link is None or inode_of(link.options.netns) != int(namespace):
        return None
    return ClsactSeat(
        tables=directory,
        marker=directory.parent.parent / "clsact" / f"{namespace}-{ifindex}",
        namespace=link.options.netns,
        ifindex=int(ifindex),
        direction=direction,
    )
