"""Milliseconds that a command takes from start to end, without a service."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.processes import BPFMAN, wall
from benchmarks.result import Result, in_turn
from bpfman_core.testing.runtime import environment, private_runtime


def measure(rounds: int) -> Iterator[Result]:
    """`bpfman list` and `--help`, against an interpreter that does nothing."""
    with private_runtime() as paths:
        settings = environment(paths)
        found = in_turn(
            {
                "pass": lambda: wall([sys.executable, "-c", "pass"]),
                "click": lambda: wall([sys.executable, "-c", "import click"]),
                "list": lambda: wall([BPFMAN, "list"], settings),
                "help": lambda: wall([BPFMAN, "--help"], settings),
            },
            rounds,
        )
    yield Result("bpfman list", found["list"], "python -c pass", found["pass"], "ms", 3)
    yield Result("bpfman list", found["list"], "python -c 'import click'", found["click"], "ms")
    yield Result("bpfman --help", found["help"], "python -c pass", found["pass"], "ms")
