"""What users can say about a TC program."""

from bpfman_core.plugin import Options, option, tcx
from bpfman_tc.hook import VERDICTS

AUTO = "auto"
HOOKS = ("tcx", "clsact")


class TcOptions(Options):
    """Where a TC program attaches, and its place among the others there."""

    direction: str = option(
        "-d",
        "--direction",
        help="Packets that arrive, or that leave",
        choices=tuple(tcx.DIRECTIONS),
    )
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
    hook: str = option(
        "--hook",
        help="Where the programs run; auto is tcx, or clsact where the kernel has no TCX",
        default=AUTO,
        choices=(AUTO, *HOOKS),
    )
    allow_tail_calls: bool = option(
        "--allow-tail-calls",
        help="Accept that tail calls of this program take from those behind it",
        default=False,
    )
