"""What users are told when something went wrong: one line, and a verifier's log."""

from __future__ import annotations

import click

from bpfman_core.errors import BpfmanError, VerifierRejected
from bpfman_core.paths import Paths
from bpfman_core.text import one_line

_TAIL = 20  # lines


def say(text: str) -> None:
    """One line on stderr."""
    click.echo(f"bpfman: {one_line(text)}", err=True)


def about(error: BpfmanError, paths: Paths) -> None:
    """The line of an error; after a verifier's rejection also the end of its log."""
    say(str(error))
    if isinstance(error, VerifierRejected):
        _verifier_log(error, paths)


def _verifier_log(error: VerifierRejected, paths: Paths) -> None:
    lines = error.log.splitlines()
    kept = _keep(error.log, paths)
    tail = lines[-_TAIL:] if kept else lines
    if len(tail) < len(lines):
        click.echo(f"({len(lines) - len(tail)} lines omitted)", err=True)
    for line in tail:
        click.echo(line, err=True)
    if kept:
        click.echo(f"The whole log: {paths.verifier_log}", err=True)


def _keep(log: str, paths: Paths) -> bool:
    try:
        paths.verifier_log.write_text(log)
    except OSError:
        return False
    return True
