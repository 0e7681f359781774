"""All that the author of a program type imports.

The contract comes first, then what a multi-program hook is built from, then the kernel. `docs/
plugins.md` shows how they go together; the tracepoint plugin is the one to copy.
"""

from bpfman_core.dispatch.chain import Chain
from bpfman_core.dispatch.chains import Chains
from bpfman_core.dispatch.chains import rows as chain_rows
from bpfman_core.dispatch.hook import Attach, HookType
from bpfman_core.dispatch.members import Member, position
from bpfman_core.dispatch.seat import LinkSeat, Seat, Seated
from bpfman_core.dispatch.selftest import require_dispatcher
from bpfman_core.dispatch.verdicts import Verdicts
from bpfman_core.errors import (
    AlreadyExists,
    BpfmanError,
    Conflict,
    Full,
    InvalidRequest,
    KernelError,
    NotFound,
    Unsupported,
    did_you_mean,
)
from bpfman_core.hookspecs import hookimpl
from bpfman_core.kernel import (
    clsact,
    interfaces,
    links,
    maps,
    netns,
    pins,
    probe,
    programs,
    symbols,
    tcx,
    tracepoint,
)
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.links import AttachType
from bpfman_core.kernel.maps import MapType
from bpfman_core.kernel.programs import XDP_HAS_FRAGS, ProgramKind
from bpfman_core.model import (
    API_VERSION,
    Attached,
    ChainMember,
    ChainView,
    Host,
    Link,
    LinkStatus,
    LoadOptions,
    LoadSettings,
    Program,
    ProgramType,
)
from bpfman_core.options import Options, option

__all__ = [
    "API_VERSION",
    "XDP_HAS_FRAGS",
    "AlreadyExists",
    "Attach",
    "AttachType",
    "Attached",
    "BpfmanError",
    "Chain",
    "ChainMember",
    "ChainView",
    "Chains",
    "Conflict",
    "Fd",
    "Full",
    "HookType",
    "Host",
    "InvalidRequest",
    "KernelError",
    "Link",
    "LinkSeat",
    "LinkStatus",
    "LoadOptions",
    "LoadSettings",
    "MapType",
    "Member",
    "NotFound",
    "Options",
    "Program",
    "ProgramKind",
    "ProgramType",
    "Seat",
    "Seated",
    "Unsupported",
    "Verdicts",
    "chain_rows",
    "clsact",
    "did_you_mean",
    "hookimpl",
    "interfaces",
    "links",
    "maps",
    "netns",
    "option",
    "pins",
    "position",
    "probe",
    "programs",
    "require_dispatcher",
    "symbols",
    "tcx",
    "tracepoint",
]
