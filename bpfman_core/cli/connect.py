"""Whom the command line asks: the service, or this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from bpfman_core.api import Api
from bpfman_core.errors import ServiceError
from bpfman_core.rpc import probe

REGISTRY = "bpfman.registry"
"""Under this the plugins are kept in the root context, once a command has looked for them."""


@contextmanager
def connected(context: click.Context) -> Iterator[Api]:
    """The service if it listens; if not, this process does the work.

    Raises ServiceError where the user named a socket at which nobody listens.
    """
    root = context.find_root()
    settings = root.obj
    socket = settings.paths.socket
    if probe.available(socket):
        from bpfman_core.rpc.client import Client

        with Client(socket) as client:
            yield client
        return
    if settings.socket_named:
        raise ServiceError(
            f"no service listens at {socket}", hint="start it with `bpfman system service`"
        )
    from bpfman_core.handler import local

    yield local(settings.paths, root.meta.get(REGISTRY))
