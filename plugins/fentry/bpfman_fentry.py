"""Fentry and fexit programs: they run as a function of the kernel begins or ends.

The kernel binds such a program to its function when it is loaded, so that is a load option.
"""

from __future__ import annotations

from bpfman_core.plugin import (
    Attached,
    AttachType,
    Link,
    LoadOptions,
    LoadSettings,
    Options,
    ProgramKind,
    ProgramType,
    hookimpl,
    links,
    option,
)


class FunctionOptions(LoadOptions):
    """Which function a program is for."""

    fn_name: str = option("-f", "--fn-name", help="Function of the kernel", metavar="NAME")

    def settings(self) -> LoadSettings:
        return LoadSettings(attach_to=self.fn_name)


class NoOptions(Options):
    """All was said when the program was loaded."""


_ATTACH_TYPES = {"fentry": AttachType.TRACE_FENTRY, "fexit": AttachType.TRACE_FEXIT}
_SUMMARIES = {
    "fentry": "Run as a function of the kernel begins",
    "fexit": "Run as a function of the kernel ends, and see what it returns",
}


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word=word,
            summary=_SUMMARIES[word],
            kind=ProgramKind.TRACING,
            sections=(word,),
            options=NoOptions,
            load_options=FunctionOptions,
            expected_attach_type=attach_type,
        )
        for word, attach_type in _ATTACH_TYPES.items()
    ]


@hookimpl
def bpfman_validate() -> None:
    """Nothing is left to check: the program is bound to its function already."""


@hookimpl
def bpfman_attach(link: Link) -> Attached:
    with link.program.open() as program:
        return Attached(link=links.create(program, 0, _ATTACH_TYPES[link.program.type]))


@hookimpl
def bpfman_detach() -> None:
    """Nothing is left to do: the host removes the pin of the kernel's link."""


@hookimpl
def bpfman_render(link: Link) -> dict[str, str]:
    return {"Function": link.program.options.fn_name}
