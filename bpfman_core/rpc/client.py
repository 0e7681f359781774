"""A service somewhere else, as an `api.Api`: every method asks it and waits for the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from google.protobuf.message import DecodeError
from grpclib.client import Channel
from grpclib.exceptions import GRPCError, StreamTerminatedError

from bpfman_core.api import AttachPart, ImageSource, ListRequest, LoadRequest, UpdateRequest
from bpfman_core.errors import BpfmanError, Denied, InvalidRequest, ServiceError
from bpfman_core.image.remote.credentials import completed
from bpfman_core.model import ChainView, LinkView, PluginInfo, ProgramView
from bpfman_core.rpc import requests, views
from bpfman_core.rpc.failures import failure_of, from_status
from bpfman_core.rpc.generated import bpfman_pb2 as pb
from bpfman_core.rpc.generated import extra_pb2 as extra
from bpfman_core.rpc.generated.bpfman_grpc import BpfmanStub
from bpfman_core.rpc.generated.extra_grpc import ExtraStub

Reply = TypeVar("Reply")

_log = logging.getLogger(__name__)


class Client:
    """Talks to the service at a unix socket, with an event loop of its own.

    Connects with the first request. Use it from one thread, in which no event loop runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._runner = asyncio.Runner()
        self._channel: Channel | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._runner.close()

    def load(self, request: LoadRequest) -> tuple[ProgramView, ...]:
        """See `Api.load`."""
        if isinstance(request.source, ImageSource):
            request = replace(request, source=completed(request.source))
        reply = self._ask(lambda to: BpfmanStub(to).Load(requests.load_to_wire(request)))
        return tuple(views.program_from_wire(program) for program in reply.programs)

    def attach(self, program_id: int, part: AttachPart) -> LinkView:
        """See `Api.attach`."""
        reply = self._ask(
            lambda to: BpfmanStub(to).Attach(
                pb.AttachRequest(id=program_id, part=requests.part_to_wire(part))
            )
        )
        return views.link_from_wire(reply.link)

    def detach(self, link_id: int) -> None:
        """See `Api.detach`."""
        self._ask(lambda to: BpfmanStub(to).Detach(pb.DetachRequest(link_id=link_id)))

    def unload(self, program_id: int) -> None:
        """See `Api.unload`."""
        self._ask(lambda to: BpfmanStub(to).Unload(pb.UnloadRequest(id=program_id)))

    def update(self, request: UpdateRequest) -> LinkView:
        """See `Api.update`."""
        reply = self._ask(lambda to: ExtraStub(to).Update(requests.update_to_wire(request)))
        return views.link_from_wire(reply.link)

    def list(self, request: ListRequest) -> tuple[ProgramView, ...]:
        """See `Api.list`."""
        reply = self._ask(lambda to: BpfmanStub(to).List(requests.list_to_wire(request)))
        return tuple(views.program_from_wire(result) for result in reply.results)

    def links(self) -> tuple[LinkView, ...]:
        """See `Api.links`."""
        reply = self._ask(lambda to: ExtraStub(to).ListLinks(extra.ListLinksRequest()))
        return tuple(views.link_from_wire(link) for link in reply.links)

    def get(self, program_id: int) -> ProgramView:
        """See `Api.get`."""
        reply = self._ask(lambda to: BpfmanStub(to).Get(pb.GetRequest(id=program_id)))
        return views.program_from_wire(reply)

    def get_link(self, link_id: int) -> LinkView:
        """See `Api.get_link`."""
        reply = self._ask(lambda to: ExtraStub(to).GetLink(extra.GetLinkRequest(link_id=link_id)))
        return views.link_from_wire(reply.link)

    def chains(self, netns: str | None) -> tuple[ChainView, ...]:
        """See `Api.chains`."""
        wanted = extra.ListChainsRequest(netns=netns)
        reply = self._ask(lambda to: ExtraStub(to).ListChains(wanted))
        return tuple(views.chain_from_wire(chain) for chain in reply.chains)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """See `Api.plugins`."""
        reply = self._ask(lambda to: ExtraStub(to).ListPlugins(extra.ListPluginsRequest()))
        return tuple(views.plugin_from_wire(plugin) for plugin in reply.plugins)

    def pull(self, source: ImageSource) -> None:
        """See `Api.pull`."""
        image = requests.image_to_wire(completed(source))
        self._ask(lambda to: BpfmanStub(to).PullBytecode(pb.PullBytecodeRequest(image=image)))

    def version(self) -> str:
        """The version of the bpfman that serves."""
        return self._ask(lambda to: ExtraStub(to).GetInfo(extra.GetInfoRequest())).version

    def _ask(self, call: Callable[[Channel], Coroutine[Any, Any, Reply]]) -> Reply:
        """The reply to a call. Ctrl-C takes the request back and raises KeyboardInterrupt."""
        try:
            return self._runner.run(self._answer(call))
        except (FileNotFoundError, ConnectionRefusedError):
            raise ServiceError(
                f"no service listens at {self._path}", hint="start it with `bpfman system service`"
            ) from None
        except PermissionError:
            raise Denied(
                f"you may not use the service at {self._path}", hint="run this as root"
            ) from None
        except (OSError, StreamTerminatedError, DecodeError) as error:
            raise ServiceError(
                f"the service at {self._path} broke off: {error}",
                hint="its log may say why; `bpfman list` shows what was done",
            ) from error

    async def _answer(self, call: Callable[[Channel], Coroutine[Any, Any, Reply]]) -> Reply:
        if self._channel is None:
            self._channel = Channel(path=str(self._path))
        try:
            asked = call(self._channel)
        except ValueError as error:
            raise InvalidRequest(f"the request cannot be sent: {error}") from error
        try:
            return await asked
        except GRPCError as error:
            raise await self._error(self._channel, error) from error
        except AttributeError as error:  # grpclib 0.4.9, of a connection lost before its first use
            raise StreamTerminatedError("Connection lost") from error

    async def _error(self, channel: Channel, error: GRPCError) -> BpfmanError:
        failure = failure_of(error)
        if failure is not None and failure.log_id:
            wanted = extra.GetVerifierLogRequest(log_id=failure.log_id)
            try:
                failure.log_end = (await ExtraStub(channel).GetVerifierLog(wanted)).log
            except (GRPCError, StreamTerminatedError, OSError):
                _log.warning("only the end of the verifier's log could be had")
        return from_status(error)
