"""The hooks of the program types uprobe and uretprobe."""

from __future__ import annotations

import errno

from bpfman_core.plugin import (
    Attached,
    InvalidRequest,
    KernelError,
    Link,
    Options,
    ProgramKind,
    ProgramType,
    hookimpl,
    option,
    probe,
)
from bpfman_uprobe import symbols, target


class UretprobeOptions(Options):
    """Where a program attaches that runs when a function returns."""

    fn_name: str | None = option(
        "-f", "--fn-name", help="Function of the target", default=None, metavar="NAME"
    )
    offset: int = option(
        "-o",
        "--offset",
        help="Bytes into the function; without one, into the file",
        default=0,
        minimum=0,
        metavar="BYTES",
    )
    target: str = option(
        "-t", "--target", help="Program or library: a path, or a name such as libc", metavar="FILE"
    )
    pid: int | None = option(
        "-p", "--pid", help="This process only", default=None, minimum=1, metavar="PID"
    )
    container_pid: int | None = option(
        "-c",
        "--container-pid",
        help="Look for the target where this process sees it",
        default=None,
        minimum=1,
        metavar="PID",
    )


class UprobeOptions(UretprobeOptions):
    """Where a program attaches that runs when a function is reached, or returns."""

    retprobe: bool = option("-r", "--retprobe", help="Run when the function returns", default=False)


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="uprobe",
            summary="Run when a user program reaches a function",
            kind=ProgramKind.KPROBE,
            sections=("uprobe",),
            options=UprobeOptions,
        ),
        ProgramType(
            word="uretprobe",
            summary="Run when a function of a user program returns",
            kind=ProgramKind.KPROBE,
            sections=("uretprobe",),
            options=UretprobeOptions,
        ),
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    probe.require("uprobe")
    _place(link.options)


@hookimpl
def bpfman_attach(link: Link) -> Attached:
    options = link.options
    path, offset = _place(options)
    with link.program.open() as program:
        try:
            made = probe.attach(
                *(program, "uprobe", path, offset), at_return=_at_return(link), pid=options.pid
            )
        except KernelError as error:
            if error.errno == errno.ESRCH:
                raise InvalidRequest(f"there is no process {options.pid}") from error
            if error.errno == errno.EINVAL:
                raise InvalidRequest(f"no probe can be set at {offset:#x} of {path}") from error
            raise
    return Attached(link=made)


@hookimpl
def bpfman_detach() -> None:
    """Nothing is left to do: the host removes the pin of the kernel's link."""


@hookimpl
def bpfman_render(link: Link) -> dict[str, str]:
    options = link.options
    return {
        "Function": str(options.fn_name),
        "Offset": str(options.offset),
        "Target": options.target,
        "PID": str(options.pid),
        "Container PID": str(options.container_pid),
        "Return": "true" if _at_return(link) else "false",
    }


def _place(options: UretprobeOptions) -> tuple[str, int]:
    """The file, and where in it."""
    path = target.find(options.target, options.container_pid)
    if options.fn_name is not None:
        return str(path), symbols.file_offset(path, options.fn_name, options.offset)
    if not options.offset:
        raise InvalidRequest("neither a function nor an offset is given", hint="add --fn-name NAME")
    if options.offset >= path.stat().st_size:
        raise InvalidRequest(f"{path} ends before offset {options.offset}")
    return str(path), options.offset


def _at_return(link: Link) -> bool:
    return link.program.type == "uretprobe" or getattr(link.options, "retprobe", False)
