"""What a test must leave as it found it.

Others may load programs on the same machine meanwhile, so only what is provably of this process
counts: its descriptors and children, its namespaces and mounts, and the programs and links that it
held, by a descriptor or by a pin, when the test had done its work.
"""

from __future__ import annotations

import gc
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bpfman_core.errors import KernelError
from bpfman_core.kernel import links, pins, programs
from bpfman_core.testing.network import PREFIX
from bpfman_core.testing.runtime import mounts
from bpfman_core.testing.waiting import wait_until

_HELD = re.compile(r"^(prog|link)_id:\s*(\d+)$", re.MULTILINE)

Object = tuple[str, int]
"""`prog` or `link`, and its kernel id."""


class Residue:
    """Compares the present with the moment at which it was made."""

    def __init__(self) -> None:
        self._before = Counter(_things())
        self._held_before = set(_held())
        self._used: set[Object] = set()

    def note(self) -> None:
        """Remember the programs and links held now: they have to go."""
        self._used |= set(_held()) - self._held_before

    def left(self) -> list[str]:
        """What is there now and was not then."""
        things = list((Counter(_things()) - self._before).elements())
        return things + [f"{kind} {number}" for kind, number in self._used if _exists(kind, number)]

    def check(self) -> None:
        """Raises AssertionError, naming what is left, once the kernel had its time to free."""
        if not self.left():
            return
        gc.collect()
        try:
            wait_until(lambda: not self.left(), "nothing left")
        except AssertionError:
            raise AssertionError(f"the test left behind: {', '.join(self.left())}") from None


def _things() -> Iterator[str]:
    yield from _descriptors()
    yield from (f"process {child}" for child in _children())
    yield from (f"mount {point}" for root in _roots() for point in mounts(root))
    for name in _names("/run/netns"):
        yield f"network namespace {name}"


def _descriptors() -> Iterator[str]:
    for number in os.listdir("/proc/self/fd"):
        try:
            yield f"descriptor of {os.readlink(f'/proc/self/fd/{number}')}"
        except FileNotFoundError:
            continue  # it was the listing itself


def _children() -> Iterator[str]:
    for task in Path("/proc/self/task").iterdir():
        try:
            yield from (task / "children").read_text().split()
        except FileNotFoundError:
            continue  # the thread ended, or the kernel lacks CONFIG_PROC_CHILDREN


def _held() -> Iterator[Object]:
    for number in os.listdir("/proc/self/fd"):
        yield from _objects_of(number)
    for root in _roots():
        for point in mounts(root):
            for directory, _, files in os.walk(point):
                yield from _pinned(Path(directory), files)


def _pinned(directory: Path, files: list[str]) -> Iterator[Object]:
    for name in files:
        try:
            with pins.open_pin(directory / name) as opened:
                yield from _objects_of(str(opened.fileno()))
        except (KernelError, OSError):
            continue  # the kernel's own files in a bpffs are no pins


def _objects_of(descriptor: str) -> Iterator[Object]:
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text()
    except FileNotFoundError:
        return
    for kind, number in _HELD.findall(text):
        yield kind, int(number)


def _exists(kind: str, number: int) -> bool:
    return programs.exists(number) if kind == "prog" else links.exists(number)


def _roots() -> list[Path]:
    temporary = tempfile.gettempdir()
    return [Path(temporary, name) for name in _names(temporary)]


def _names(directory: str) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name.startswith(PREFIX)]
    except FileNotFoundError:
        return []
