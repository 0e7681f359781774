"""Where in the kernel an interface hands over its packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bpfman_core.plugin import Host, InvalidRequest

if TYPE_CHECKING:
    from bpfman_xdp.options import XdpOptions

AUTO = "auto"
FLAGS = {"native": 1 << 2, "generic": 1 << 1, "offload": 1 << 3}
"""XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE and XDP_FLAGS_HW_MODE by our words for them."""

_CONFIGURED = {"drv": "native", "skb": "generic", "hw": "offload"}


def modes_for(options: XdpOptions, host: Host) -> Sequence[str]:
    """The modes to try, in order: as asked for, else as configured, else what the driver can."""
    if options.mode != AUTO:
        return (options.mode,)
    word = host.interfaces.get(options.iface, {}).get("xdp_mode")
    if word is None:
        return ("native", "generic")
    mode = _CONFIGURED.get(word, word)
    if mode not in FLAGS:
        raise InvalidRequest(
            f"the configuration sets xdp_mode of {options.iface} to {word!r}",
            hint=f"it can be {', '.join(_CONFIGURED)}",
        )
    return (mode,)
