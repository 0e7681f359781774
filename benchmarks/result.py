"""One comparison, and the table of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Result:
    """A figure, what it is compared with, and the ratio aimed at (None: no aim)."""

    what: str
    figure: float
    against: str
    other: float
    unit: str
    aim: float | None = None


def in_turn(subjects: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each subject, measured one after the other, over and over."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, measure in subjects.items():
            found[name].append(measure())
    return {name: median(figures) for name, figures in found.items()}


def table(results: Sequence[Result]) -> str:
    """The results as text, one a line."""
    lines = [f"{'ratio':>7}  {'aim':>7}  {'figure':>12}  {'against':>12}  what"]
    for result in results:
        aim = f"<= {result.aim:g}" if result.aim is not None else ""
        lines.append(
            f"{result.figure / result.other:7.2f}  {aim:>7}  "
            f"{result.figure:8.2f} {result.unit:<3}  {result.other:8.2f} {result.unit:<3}  "
            f"{result.what}, against {result.against}"
        )
    return "\n".join(lines)
