"""Two hooks on which the dispatcher library is tested, with the verdicts that the kernel knows.

They are made here, and not taken from a plugin, so that the core can be tested without any.
"""

from __future__ import annotations

import errno

from bpfman_core.dispatch.hook import HookType
from bpfman_core.dispatch.verdicts import Verdicts
from bpfman_core.errors import KernelError, Unsupported
from bpfman_core.kernel import links
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import AttachType
from bpfman_core.kernel.programs import XDP_HAS_FRAGS, ProgramKind
from bpfman_core.testing.network import Port

NATIVE = 1 << 2  # XDP_FLAGS_DRV_MODE
GENERIC = 1 << 1  # XDP_FLAGS_SKB_MODE

_XDP_ACTIONS = ("aborted", "drop", "pass", "tx", "redirect")  # enum xdp_action, from 0
_TC_ACTIONS = (  # TC_ACT_*, from -1
    *("unspec", "ok", "reclassify", "shot", "pipe", "stolen", "queued", "repeat", "redirect"),
    "trap",
)

XDP = HookType(
    word="xdp",
    kind=ProgramKind.XDP,
    expected_attach_type=AttachType.XDP,
    context="xdp_md",
    verdicts=Verdicts(
        codes={word: code for code, word in enumerate(_XDP_ACTIONS)} | {"dispatcher_return": 31},
        default=("pass", "dispatcher_return"),
        usual=2,
        end=2,
        open=2,
        closed=0,
    ),
    frags_flag=XDP_HAS_FRAGS,
)

TC = HookType(
    word="tc",
    kind=ProgramKind.SCHED_CLS,
    expected_attach_type=AttachType.NONE,
    context="__sk_buff",
    verdicts=Verdicts(
        codes={word: code for code, word in enumerate(_TC_ACTIONS, -1)} | {"dispatcher_return": 30},
        default=("pipe", "dispatcher_return"),
        usual=3,
        end=0,
        open=0,
        closed=2,
        returns={0: 0, 2: 2, 7: 7, 4: 2, 8: 2},
        unknown=-1,
    ),
)


def attach_xdp(dispatcher: Fd, port: Port, mode: int = NATIVE) -> Fd:
    """An XDP link on one end of a veth pair."""
    index = port.index
    with port.namespace.inside():
        return links.create(dispatcher, index, AttachType.XDP, flags=mode)


def attach_tcx(dispatcher: Fd, port: Port) -> Fd:
    """A TCX link on the ingress of one end of a veth pair; Unsupported before Linux 6.6."""
    index = port.index
    try:
        with port.namespace.inside():
            return links.create(dispatcher, index, AttachType.TCX_INGRESS)
    except KernelError as error:
        if error.errno != errno.EINVAL:
            raise
        raise Unsupported("this kernel has no TCX (Linux 6.6)", feature="tcx") from error
