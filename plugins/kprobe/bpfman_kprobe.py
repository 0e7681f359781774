"""Kprobe programs: they run when the kernel reaches one of its functions, or returns from it."""

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
    did_you_mean,
    hookimpl,
    option,
    probe,
    symbols,
)


class KretprobeOptions(Options):
    """Where a program attaches that runs when a function returns."""

    fn_name: str = option("-f", "--fn-name", help="Function of the kernel", metavar="NAME")


class KprobeOptions(KretprobeOptions):
    """Where a program attaches that runs when a function is reached, or returns."""

    offset: int = option(
        "-o",
        "--offset",
        help="Bytes into the function",
        default=0,
        minimum=0,
        metavar="BYTES",
    )
    retprobe: bool = option("-r", "--retprobe", help="Run when the function returns", default=False)


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="kprobe",
            summary="Run when the kernel reaches a function",
            kind=ProgramKind.KPROBE,
            sections=("kprobe",),
            options=KprobeOptions,
        ),
        ProgramType(
            word="kretprobe",
            summary="Run when a function of the kernel returns",
            kind=ProgramKind.KPROBE,
            sections=("kretprobe",),
            options=KretprobeOptions,
        ),
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    probe.require("kprobe")
    if _at_return(link) and _offset(link):
        raise InvalidRequest("a function returns as a whole: leave out --offset or --retprobe")


@hookimpl
def bpfman_attach(link: Link) -> Attached:
    name, offset = link.options.fn_name, _offset(link)
    with link.program.open() as program:
        try:
            made = probe.attach(program, "kprobe", name, offset, at_return=_at_return(link))
        except KernelError as error:
            raise _explained(error, name, offset) from error
    return Attached(link=made)


@hookimpl
def bpfman_detach() -> None:
    """Nothing is left to do: the host removes the pin of the kernel's link."""


@hookimpl
def bpfman_render(link: Link) -> dict[str, str]:
    return {
        "Function": link.options.fn_name,
        "Offset": str(_offset(link)),
        "Return": "true" if _at_return(link) else "false",
    }


def _offset(link: Link) -> int:
    return getattr(link.options, "offset", 0)


def _at_return(link: Link) -> bool:
    return link.program.type == "kretprobe" or getattr(link.options, "retprobe", False)


def _explained(error: KernelError, name: str, offset: int) -> Exception:
    functions = set(symbols.functions())
    if error.errno in (errno.ENOENT, errno.EINVAL) and functions and name not in functions:
        return InvalidRequest(
            f"this kernel has no function {name!r}", hint=did_you_mean(name, functions)
        )
    if error.errno in (errno.EINVAL, errno.EILSEQ, errno.ENOENT):
        return InvalidRequest(
            f"no probe can be set {offset} bytes into {name!r}: this is beyond its end, inside an "
            "instruction, or in code that must not be probed"
        )
    return error
