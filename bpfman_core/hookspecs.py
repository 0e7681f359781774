"""The hooks that make a program type. A plugin implements them; the registry calls them.

Each hook is called for the program types of its own plugin only. Whatever a hook raises undoes the
operation: raise a `bpfman_core.errors` error for what users can mend, anything else is reported
as a fault of the plugin. All hooks run as root, one at a time, under bpfman's writer lock, except
`bpfman_program_types`, `bpfman_status`, `bpfman_render` and `bpfman_chains`, which only read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pluggy

from bpfman_core.model import Attached, ChainView, Host, Link, LinkStatus, ProgramType

PROJECT = "bpfman"
GROUP = "bpfman.plugins"
"""The entry point group in which distributions name their plugin module."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

REQUIRED = (
    "bpfman_program_types",
    "bpfman_validate",
    "bpfman_attach",
    "bpfman_detach",
    "bpfman_render",
)


@hookspec
def bpfman_program_types() -> Sequence[ProgramType]:  # type: ignore[empty-body]
    """Registers the plugin's program types. Called once, when the plugin is found.

    Since 0.1.
    """


@hookspec
def bpfman_validate(link: Link, host: Host) -> None:
    """Called before anything of an attach or update is done: raise where it cannot work.

    `link.options` has been checked against the registered options class already; look here at
    what only the host can tell: does the interface, the function, the tracepoint exist?

    Since 0.1.
    """


@hookspec
def bpfman_attach(link: Link, host: Host) -> Attached:  # type: ignore[empty-body]
    """Attaches `link.program` as `link.options` say.

    Return the kernel's link as `Attached(link=fd)` and the host pins it, or pin under `host.pins`
    yourself and return `Attached(state=...)`. If the operation fails or dies after this,
    `bpfman_detach` is called for the same link.

    Since 0.1.
    """


@hookspec
def bpfman_detach(link: Link, host: Host) -> None:
    """Undoes an attach, returning only when the kernel has let go.

    Must be fit to be called twice, and for an attach that was cut short at any point. A pin that
    the host made for `Attached(link=fd)` is removed by the host.

    Since 0.1.
    """


@hookspec
def bpfman_render(link: Link, status: LinkStatus) -> Mapping[str, str]:  # type: ignore[empty-body]
    """Gives the rows that `bpfman get` shows for a link, label to text, in order.

    Since 0.1.
    """


@hookspec
def bpfman_status(link: Link, host: Host) -> LinkStatus:  # type: ignore[empty-body]
    """Optional. Says what is there now. Without it a link counts as attached while its pin exists.

    Since 0.1.
    """


@hookspec
def bpfman_update(link: Link, previous: Link, host: Host) -> Attached:  # type: ignore[empty-body]
    """Optional. Changes a running link from `previous.options` to `link.options`, in one step.

    Without it the type's links cannot be updated. Must be fit to be called twice.

    Since 0.1.
    """


@hookspec
def bpfman_recover(links: Sequence[Link], host: Host) -> None:
    """Optional. Called when bpfman takes up its state again, with all links of the plugin's types.

    Remove under `host.pins` what an earlier process left half-made and no link needs.

    Since 0.1.
    """


@hookspec
def bpfman_chains(  # type: ignore[empty-body]
    links: Sequence[Link], host: Host, netns: str | None
) -> Sequence[ChainView]:
    """Optional. Shows the hooks that can hold several programs, those of others too.

    `links` are all of the plugin's types; those of others are looked for in the network namespace
    `netns`, a path, or in this one.

    Since 0.1.
    """
