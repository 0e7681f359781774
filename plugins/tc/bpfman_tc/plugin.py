"""The hooks of the program type tc."""

from __future__ import annotations

from collections.abc import Sequence

from bpfman_core.plugin import (
    Attached,
    Chains,
    ChainView,
    Fd,
    Host,
    Link,
    LinkStatus,
    ProgramKind,
    ProgramType,
    chain_rows,
    hookimpl,
    interfaces,
    require_dispatcher,
    tcx,
)
from bpfman_core.plugin import netns as namespaces
from bpfman_tc.hook import TC
from bpfman_tc.options import TcOptions

CHAINS = Chains(TC)


@hookimpl
def bpfman_program_types() -> list[ProgramType]:
    return [
        ProgramType(
            word="tc",
            summary="Judge packets that arrive at an interface or leave it",
            kind=ProgramKind.SCHED_CLS,
            sections=("tc", "classifier", "action"),
            options=TcOptions,
        )
    ]


@hookimpl
def bpfman_validate(link: Link) -> None:
    require_dispatcher(TC)
    with namespaces.inside(link.options.netns):
        interfaces.index(link.options.iface)


@hookimpl
def bpfman_attach(link: Link, host: Host) -> Attached:
    options = link.options

    def put(dispatcher: Fd) -> Fd:
        return tcx.attach(dispatcher, options.iface, options.direction)

    with namespaces.inside(options.netns) as namespace:
        ifindex = interfaces.index(options.iface)
        directory = host.pins / f"{namespace}-{ifindex}-{options.direction}"
        return CHAINS.attach(link, directory, put, {}, frags=False)


@hookimpl
def bpfman_update(link: Link, host: Host) -> Attached:
    return CHAINS.update(link, host)


@hookimpl
def bpfman_detach(link: Link, host: Host) -> None:
    CHAINS.detach(link, host)


@hookimpl
def bpfman_status(link: Link, host: Host) -> LinkStatus:
    return CHAINS.status(link, host)


@hookimpl
def bpfman_render(link: Link, status: LinkStatus) -> dict[str, str]:
    rows = {"Direction": link.options.direction, **chain_rows(link, status)}
    if link.options.netns:
        rows["Netns"] = link.options.netns
    return rows


@hookimpl
def bpfman_chains(links: Sequence[Link], host: Host, netns: str | None) -> list[ChainView]:
    return [view for view in CHAINS.views(links, host) if netns in (None, view.netns)]


@hookimpl
def bpfman_recover(host: Host) -> None:
    CHAINS.recover(host)
