"""The XDP hook: its verdicts, and how a dispatcher gets onto an interface."""

from __future__ import annotations

import errno

from bpfman_core.plugin import (
    XDP_HAS_FRAGS,
    AttachType,
    Conflict,
    Fd,
    HookType,
    KernelError,
    ProgramKind,
    Unsupported,
    Verdicts,
    interfaces,
    links,
    programs,
)
from bpfman_xdp.modes import FLAGS

VERDICTS = Verdicts(
    codes={
        "aborted": 0,
        "drop": 1,
        "pass": 2,
        "tx": 3,
        "redirect": 4,
        "dispatcher_return": 31,
    },
    default=("pass", "dispatcher_return"),
    usual=2,
    end=2,
    open=2,
    closed=0,
)

XDP = HookType(
    word="xdp",
    kind=ProgramKind.XDP,
    expected_attach_type=AttachType.XDP,
    context="xdp_md",
    verdicts=VERDICTS,
    frags_flag=XDP_HAS_FRAGS,
)


def put(dispatcher: Fd, name: str, ifindex: int, mode: str) -> Fd:
    """Put the first dispatcher on an interface of this namespace.

    Raises Unsupported where the driver lacks the mode, Conflict where the interface is somebody
    else's, or gone.
    """
    try:
        return links.create(dispatcher, ifindex, AttachType.XDP, flags=FLAGS[mode])
    except KernelError as error:
        raise _explained(error, name, ifindex, mode) from error


def _explained(error: KernelError, name: str, ifindex: int, mode: str) -> Exception:
    if not interfaces.exists(ifindex):
        return Conflict(f"interface {name} has gone away")
    match error.errno:
        case errno.EOPNOTSUPP:
            return Unsupported(
                f"the driver of {name} has no {mode} XDP",
                feature=f"xdp-{mode}",
                hint="try --mode generic",
            )
        case errno.EBUSY | errno.EEXIST:
            return _occupied(name, ifindex)
        case errno.ERANGE | errno.EINVAL:
            return Conflict(
                f"the driver of {name} refuses {mode} XDP: {error.message}",
                hint="where its MTU is too large for one buffer, load all programs with --frags",
            )
    return error


def _occupied(name: str, ifindex: int) -> Conflict:
    occupant = interfaces.xdp_occupant(ifindex)
    if occupant is None:
        return Conflict(f"another XDP program is on {name}")
    called = programs.name(occupant.program_id) or "unnamed"
    return Conflict(
        f"XDP program {occupant.program_id} ({called}) of somebody else is on {name}, "
        f"in {occupant.mode} mode",
        hint=f"remove it first: `ip link set dev {name} xdp off`, or with what attached it",
    )
