"""The command `bpfman`, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from bpfman_core import __version__
from bpfman_core.cli.lazy import LazyGroup
from bpfman_core.errors import BpfmanError
from bpfman_core.paths import Paths

_COMMANDS = {
    "load": ("bpfman_core.cli.load", "Load programs, and attach them"),
    "attach": ("bpfman_core.cli.attach", "Attach a loaded program once more"),
    "detach": ("bpfman_core.cli.remove", "Take links off their hooks"),
    "update": ("bpfman_core.cli.update", "Change a link while it runs"),
    "unload": ("bpfman_core.cli.remove", "Detach programs and unload them"),
    "list": ("bpfman_core.cli.show", "List programs or links"),
    "get": ("bpfman_core.cli.show", "Show all of a program or a link"),
    "chain": ("bpfman_core.cli.chain", "Show what runs on each hook, in which order"),
    "image": ("bpfman_core.cli.image", "Work with bytecode images"),
    "plugins": ("bpfman_core.cli.plugins", "Show the plugins that were found"),
    "system": ("bpfman_core.cli.system", "Run the service"),
    "completion": ("bpfman_core.cli.completion", "Print a script that completes words in a shell"),
}

INTERRUPTED = 130


@dataclass(frozen=True)
class Settings:
    """What the words before the command say. `socket_named`: the user chose the service."""

    paths: Paths
    socket_named: bool


@click.group(cls=LazyGroup, lazy=_COMMANDS)
@click.version_option(__version__, message="bpfman %(version)s")
@click.option("--socket-path", type=Path, metavar="PATH", help="Socket of the service to ask.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, socket_path: Path | None, debug: bool) -> None:
    """Load, attach, order, list and unload eBPF programs.

    A service that listens does the work; without one bpfman does it itself, as root.
    """
    paths = Paths.from_environment()
    if socket_path is not None:
        from dataclasses import replace

        paths = replace(paths, socket=socket_path.absolute())
    named = socket_path is not None or "BPFMAN_SOCKET_PATH" in os.environ
    context.obj = Settings(paths, named)
    del debug  # `main` looks for it, as it must know before anything is parsed


def main(begin: Callable[[], object]) -> None:
    """Run the command that the process was started with, and end the process.

    `begin` is called when Ctrl-C is understood.
    """
    sys.exit(run(sys.argv[1:], begin))


def run(words: list[str], begin: Callable[[], object] = lambda: None) -> int:
    """Run one command; gives the exit status: 0, 1, 2 wrong usage, 3 not found, 130 interrupted."""
    from bpfman_core import log
    from bpfman_core.cli import complain

    log.configure_command()
    try:
        begin()
        status = cli.main(words, prog_name="bpfman", standalone_mode=False)
        sys.stdout.flush()
        return status or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        complain.say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if "--debug" in words:
            raise
        if isinstance(error, BpfmanError):
            complain.about(error, Paths.from_environment())
            return error.exit_code
        complain.say(f"internal error: {type(error).__name__}: {error}; --debug shows where")
        return 1
