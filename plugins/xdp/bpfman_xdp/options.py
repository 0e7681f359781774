"""What users can say about an XDP program."""

from bpfman_core.plugin import XDP_HAS_FRAGS, LoadOptions, LoadSettings, Options, option
from bpfman_xdp.hook import VERDICTS
from bpfman_xdp.modes import AUTO, FLAGS


class XdpLoadOptions(LoadOptions):
    """How an XDP program is loaded."""

    frags: bool = option(
        "--frags", help="Accept packets in several buffers, as for jumbo frames", default=False
    )

    def settings(self) -> LoadSettings:
        return LoadSettings(flags=XDP_HAS_FRAGS if self.frags else 0)


class XdpOptions(Options):
    """Where an XDP program attaches, and its place among the others there."""

    iface: str = option("-i", "--iface", help="Interface to attach to", metavar="NAME")
    priority: int = option(
        "-p",
        "--priority",
        help="Lower runs first; equals run in the order they were attached",
        minimum=0,
        maximum=2**31 - 1,
        metavar="NUMBER",
        changeable=True,
    )
    proceed_on: tuple[str, ...] = option(
        "--proceed-on",
        help="Verdicts of this program after which the next one runs",
        default=VERDICTS.default,
        choices=tuple(VERDICTS.codes),
        metavar="VERDICT...",
        changeable=True,
    )
    netns: str | None = option(
        "--netns", help="Network namespace of the interface", default=None, metavar="PATH"
    )
    mode: str = option(
        "--mode",
        help="Where packets are taken; auto is native, or generic where the driver cannot",
        default=AUTO,
        choices=(AUTO, *FLAGS),
    )
    allow_tail_calls: bool = option(
        "--allow-tail-calls",
        help="Accept that tail calls of this program take from those behind it",
        default=False,
    )
