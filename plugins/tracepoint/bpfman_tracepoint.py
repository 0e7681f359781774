"""Tracepoint programs: they run whenever the kernel passes one of its static tracepoints."""

from bpfman_core.plugin import (
    Attached,
    Link,
    Options,
    ProgramKind,
    ProgramType,
    hookimpl,
    option,
    tracepoint,
)


class TracepointOptions(Options):
    """Where a tracepoint program attaches."""

    tracepoint: str = option(
        "-t", "--tracepoint", help="CATEGORY/NAME, such as sched/sched_switch", metavar="NAME"
    )


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="tracepoint",
            summary="Run when the kernel passes a static tracepoint",
            kind=ProgramKind.TRACEPOINT,
            sections=("tracepoint/", "tp/"),
            options=TracepointOptions,
        )
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    tracepoint.number(link.options.tracepoint)


@hookimpl
def bpfman_attach(link: Link) -> Attached:
    with link.program.open() as program:
        return Attached(link=tracepoint.attach(program, link.options.tracepoint))


@hookimpl
def bpfman_detach(link: Link) -> None:
    """Nothing is left to do: the host removes the pin of the kernel's link."""


@hookimpl
def bpfman_render(link: Link) -> dict[str, str]:
    return {"Tracepoint": link.options.tracepoint}
