"""Kills a process in the middle of its work, at a step that the test chooses."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from bpfman_core.kernel.syscall import Command

_CALLS = {Command.OBJ_PIN, Command.LINK_CREATE, Command.LINK_UPDATE, Command.LINK_DETACH}
_FUNCTIONS = {
    *("unlink", "rmdir", "wait_for_readers"),
    *("write_bytes", "rename"),
    *("put_programs", "drop_program", "add_link", "put_link", "drop_link"),
    *("_change", "delete", "add_qdisc", "delete_qdisc"),  # of kernel.clsact
}
"""What has an effect that can outlive the process: bpf(2) commands, and functions by their name."""


def start(work: Callable[[], object]) -> int:
    """Do `work` in a child process, whose exit status is 0 if it succeeds; gives its pid."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def survives(work: Callable[[], object], *, steps: int) -> bool:
    """Do `work` in a child that is killed before its step `steps` + 1; True if it got through."""
    left = iter(range(steps))

    def watch(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and _is_step(frame) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched() -> None:
        sys.setprofile(watch)
        work()

    status = os.waitstatus_to_exitcode(os.waitpid(start(watched), 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise AssertionError(f"the work failed by itself, with status {status}")
    return status == 0


def _is_step(frame: FrameType) -> bool:
    name = frame.f_code.co_name
    return name in _FUNCTIONS or (name == "bpf" and frame.f_locals.get("command") in _CALLS)
