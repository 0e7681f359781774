"""Runs all benchmarks and prints a table, ratios first. Needs root."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Iterator

from benchmarks import dispatcher, images, loading, service, starting
from benchmarks.result import Result, table

_ALL: dict[str, Callable[[int], Iterator[Result]]] = {
    "dispatcher": dispatcher.measure,
    "loading": loading.measure,
    "images": images.measure,
    "starting": starting.measure,
    "service": service.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_ALL))
    parser.add_argument("--rounds", type=int, default=21, help="default: %(default)s")
    chosen = parser.parse_args()
    results = [result for name in chosen.names or _ALL for result in _ALL[name](chosen.rounds)]
    print(f"Linux {platform.release()}, {platform.machine()}, Python {platform.python_version()}")
    print(f"{chosen.rounds} rounds, subjects taken in turn; the median of each\n")
    print(table(results))


main()
