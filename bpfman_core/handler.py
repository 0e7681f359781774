"""Does the work of `api.Api` in this process: for the service, and for a CLI without one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bpfman_core import progress
from bpfman_core.api import (
    AttachPart,
    ImageSource,
    ListRequest,
    LoadRequest,
    UpdateRequest,
)
from bpfman_core.config import load_config
from bpfman_core.errors import Denied
from bpfman_core.lock import writer_lock
from bpfman_core.manager import views
from bpfman_core.manager.context import Context
from bpfman_core.model import ChainView, LinkView, PluginInfo, ProgramView
from bpfman_core.paths import Paths
from bpfman_core.store import Store

if TYPE_CHECKING:
    from bpfman_core.image.settings import ImageSettings
    from bpfman_core.registry import Registry


def local(paths: Paths, registry: Registry | None = None) -> Handler:
    """A handler for the installation at `paths`, with the plugins that were found already, if any.

    Raises InvalidRequest for a bad configuration.
    """
    context = Context(paths, load_config(paths.config), Store(paths.database))
    if registry is not None:
        context.registry = registry
    return Handler(context)


class Handler:
    """Implements `api.Api`. Requests may come from several threads at once.

    A change takes the writer lock, and first recovers what an earlier process left in flux.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    # ---- changes

    def load(self, request: LoadRequest) -> tuple[ProgramView, ...]:
        """See `Api.load`. The bytecode is fetched before the lock is taken.

        Whoever is told of progress can end it until then, and not later.
        """
        from bpfman_core.bytecode import fetch
        from bpfman_core.manager.load import load

        bytecode = fetch(request.source, self._image_settings)
        progress.advance(0)
        with self._changing():
            records = load(self._context, request, bytecode)
            return tuple(views.program_view(self._context, record.id) for record in records)

    def attach(self, program_id: int, part: AttachPart) -> LinkView:
        """See `Api.attach`."""
        from bpfman_core.manager.attach import attach

        with self._changing():
            record = attach(self._context, self._context.store.program(program_id), part)
            return views.link_view(self._context, record)

    def detach(self, link_id: int) -> None:
        """See `Api.detach`."""
        from bpfman_core.manager.attach import detach

        with self._changing():
            detach(self._context, self._context.store.link(link_id))

    def unload(self, program_id: int) -> None:
        """See `Api.unload`."""
        from bpfman_core.manager.unload import unload

        with self._changing():
            unload(self._context, self._context.store.program(program_id))

    def update(self, request: UpdateRequest) -> LinkView:
        """See `Api.update`."""
        from bpfman_core.manager.attach import update

        with self._changing():
            record = self._context.store.link(request.link_id)
            return views.link_view(self._context, update(self._context, record, request.options))

    # ---- questions

    def list(self, request: ListRequest) -> tuple[ProgramView, ...]:
        """See `Api.list`."""
        _require_root()
        return views.list_programs(self._context, request)

    def links(self) -> tuple[LinkView, ...]:
        """See `Api.links`."""
        _require_root()
        records = self._context.store.links()
        return tuple(views.link_view(self._context, record) for record in records)

    def get(self, program_id: int) -> ProgramView:
        """See `Api.get`."""
        _require_root()
        return views.program_view(self._context, program_id)

    def get_link(self, link_id: int) -> LinkView:
        """See `Api.get_link`."""
        _require_root()
        return views.link_view(self._context, self._context.store.link(link_id))

    def chains(self, netns: str | None) -> tuple[ChainView, ...]:
        """See `Api.chains`."""
        _require_root()
        return views.chain_views(self._context, netns)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """See `Api.plugins`."""
        return tuple(self._context.registry.plugins)

    def pull(self, source: ImageSource) -> None:
        """See `Api.pull`."""
        from bpfman_core.image.source import find

        find(source, self._image_settings(), must_keep=True)

    def _image_settings(self) -> ImageSettings:
        from bpfman_core.image.tables import image_settings

        return image_settings(self._context.config, self._context.paths.images)

    # ---- the duties of a service

    def prepare(self) -> None:
        """Take up the state that an earlier process left."""
        with self._changing(recovering=True):
            pass

    def unload_all(self) -> None:
        """Unload every program that is ours."""
        from bpfman_core.manager.unload import unload_all

        with self._changing():
            unload_all(self._context)

    @contextmanager
    def _changing(self, *, recovering: bool = False) -> Iterator[None]:
        from bpfman_core.manager.recover import due, recover

        _require_root()
        with writer_lock(self._context.paths.lock, timeout=self._context.config.lock_timeout):
            self._context.make_directories()
            if recovering or due(self._context):
                recover(self._context)
            yield


def _require_root() -> None:
    if os.geteuid() != 0:
        raise Denied(
            "only root can work with programs when no service runs",
            hint="run it as root, or start the service",
        )
