"""Where the process of the command begins, before anything that takes time to import."""

from __future__ import annotations

import signal


def main() -> None:
    """Run bpfman. Until it has begun Ctrl-C ends it without a word: there is nothing to undo yet.

    A SIGINT that whoever started it wants ignored stays so.
    """
    heeded = signal.getsignal(signal.SIGINT)
    if heeded is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from bpfman_core.cli.main import main as begin

    begin(lambda: signal.signal(signal.SIGINT, heeded))
