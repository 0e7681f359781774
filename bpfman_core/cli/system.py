"""`bpfman system service`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click


@click.group()
def system() -> None:
    """Run the service."""


@system.command()
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End after so long without a request; 0 is never.",
)
@click.option("--socket-path", type=Path, metavar="PATH", help="Where to listen.")
@click.option(
    "--on-stop",
    type=click.Choice(["unload", "keep"]),
    help="What becomes of the programs when the service is stopped.",
)
@click.option("--csi-support", is_flag=True, help="For a CSI driver beside it; implies keep.")
@click.pass_context
def service(
    context: click.Context,
    timeout: float | None,
    socket_path: Path | None,
    on_stop: str | None,
    csi_support: bool,
) -> None:
    """Serve the gRPC API at a Unix socket, in the foreground.

    SIGTERM and SIGINT unload everything, unless it is to be kept. SIGHUP starts the service anew,
    as after an upgrade; nothing is unloaded, nor after a crash.
    """
    from bpfman_core import log
    from bpfman_core.config import load_config
    from bpfman_core.handler import local
    from bpfman_core.service import Duties, serve

    log.configure("warning")
    paths = context.find_root().obj.paths
    if socket_path is not None:
        paths = replace(paths, socket=socket_path.absolute())
    settings = load_config(paths.config).service
    handler = local(paths)
    keep = csi_support or (on_stop or settings.on_stop) == "keep"
    serve(
        paths.socket,
        handler,
        Duties(handler.prepare, None if keep else handler.unload_all),
        idle_timeout=settings.timeout if timeout is None else timeout,
    )
