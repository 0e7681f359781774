"""The clsact qdisc, and BPF filters on it: how TC programs run before Linux 6.6, and beside others.

By rtnetlink through pyroute2, imported when first needed (it takes 0.2 s). A filter is told by
handle, priority and protocol together: with all three given it is added, replaced in one step, or
deleted; with fewer the kernel makes another one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bpfman_core.errors import KernelError
from bpfman_core.kernel.fd import Fd

PARENTS = {"ingress": 0xFFFFFFF2, "egress": 0xFFFFFFF3}
PRIORITY = 50
_HANDLE = 1
_PROTOCOL = 3  # ETH_P_ALL in the byte order that pyroute2 wants
_DIRECT_ACTION = 1
_ROOT = 0xFFFF0000  # the handle of clsact, and of ingress


@dataclass(frozen=True)
class Filter:
    """A BPF filter; `ours_to_be` says that it has the handle and priority that bpfman uses."""

    program_id: int
    name: str
    ours_to_be: bool


def qdisc(ifindex: int) -> str | None:
    """The kind of the qdisc for arriving packets: clsact, ingress, or None where there is none."""
    with _route() as route:
        for message in route.get_qdiscs(index=ifindex):
            if message["handle"] == _ROOT:
                return str(message.get_attr("TCA_KIND"))
    return None


def add_qdisc(ifindex: int) -> None:
    """Add clsact. KernelError with EEXIST where it is there."""
    with _route() as route:
        route.tc("add", "clsact", index=ifindex)


def delete_qdisc(ifindex: int) -> None:
    """Delete clsact with all filters on it, whosever they are."""
    with _route() as route:
        route.tc("del", "clsact", index=ifindex)


def filters(ifindex: int, direction: str) -> list[Filter]:
    """The BPF filters of one direction."""
    with _route() as route:
        return list(_filters(route.get_filters(index=ifindex, parent=PARENTS[direction])))


def in_use(ifindex: int) -> bool:
    """Whether there is any filter, of whatever kind, in either direction."""
    with _route() as route:
        return any(
            message["handle"]
            for parent in PARENTS.values()
            for message in route.get_filters(index=ifindex, parent=parent)
        )


def add(ifindex: int, direction: str, program: Fd, name: str) -> None:
    """Add bpfman's filter. KernelError with EEXIST where one is in its place."""
    _change("add-filter", ifindex, direction, program, name)


def replace(ifindex: int, direction: str, program: Fd, name: str) -> None:
    """Replace what is in the place of bpfman's filter, in one step."""
    _change("replace-filter", ifindex, direction, program, name)


def delete(ifindex: int, direction: str) -> None:
    """Delete bpfman's filter. KernelError with ENOENT where there is none."""
    with _route() as route:
        route.tc("del-filter", "bpf", **_place(ifindex, direction))


def _change(verb: str, ifindex: int, direction: str, program: Fd, name: str) -> None:
    with _route() as route:
        route.tc(
            *(verb, "bpf"),
            **_place(ifindex, direction),
            fd=program.fileno(),
            name=name,
            flags=_DIRECT_ACTION,
        )


def _place(ifindex: int, direction: str) -> dict[str, int]:
    return {
        "index": ifindex,
        "handle": _HANDLE,
        "parent": PARENTS[direction],
        "prio": PRIORITY,
        "protocol": _PROTOCOL,
    }


def _filters(messages: Any) -> Iterator[Filter]:
    for message in messages:
        options = message.get_attr("TCA_OPTIONS")
        if message["handle"] == 0 or options is None or message.get_attr("TCA_KIND") != "bpf":
            continue
        place = message["handle"] == _HANDLE and message["info"] >> 16 == PRIORITY
        program_id = options.get_attr("TCA_BPF_ID") or 0
        yield Filter(int(program_id), str(options.get_attr("TCA_BPF_NAME")), place)


@contextmanager
def _route() -> Iterator[Any]:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.rtnl.tcmsg import sched_bpf

    if len(sched_bpf.options.nla_map) < _ATTRIBUTES:
        sched_bpf.options.nla_map += (
            *(("TCA_BPF_FLAGS_GEN", "uint32"), ("TCA_BPF_TAG", "hex"), ("TCA_BPF_ID", "uint32")),
        )
    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        raise KernelError("rtnetlink", error.code or errno.EIO, detail=str(error)) from error


_ATTRIBUTES = 12  # TCA_BPF_UNSPEC to TCA_BPF_ID of include/uapi/linux/pkt_cls.h
