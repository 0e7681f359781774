"""The services that listen on the socket, over whatever implements `api.Api`."""

# ruff: noqa: N802 - the protocol names the methods

from __future__ import annotations

import os
from typing import Any

from grpclib.server import Stream

from bpfman_core import __version__
from bpfman_core.api import Api
from bpfman_core.model import PullPolicy
from bpfman_core.rpc import requests, views
from bpfman_core.rpc.answer import Answering
from bpfman_core.rpc.calls import Kind
from bpfman_core.rpc.generated import bpfman_pb2 as pb
from bpfman_core.rpc.generated import extra_pb2 as extra
from bpfman_core.rpc.generated.bpfman_grpc import BpfmanBase
from bpfman_core.rpc.generated.extra_grpc import ExtraBase


def services(api: Api, answering: Answering) -> list[Any]:
    """Everything that listens: bpfman's two services, health checks and reflection."""
    from grpclib.health.service import Health
    from grpclib.reflection.service import ServerReflection

    ours: list[Any] = [Bpfman(api, answering), Extra(api, answering)]
    return ServerReflection.extend([*ours, Health({service: [] for service in ours})])


class Bpfman(BpfmanBase):
    """The methods of the shared format."""

    def __init__(self, api: Api, answering: Answering) -> None:
        self._api = api
        self._answering = answering

    async def Load(self, stream: Stream[pb.LoadRequest, pb.LoadResponse]) -> None:
        """Load programs, and attach them where the request says so."""

        def work(request: pb.LoadRequest) -> pb.LoadResponse:
            loaded = self._api.load(requests.load_from_wire(request))
            programs = [views.program_to_wire(view, pb.LoadResponseInfo) for view in loaded]
            return pb.LoadResponse(programs=programs)

        await self._answering.change(stream, work, _loading, _kind)

    async def Unload(self, stream: Stream[pb.UnloadRequest, pb.UnloadResponse]) -> None:
        """Unload a program."""

        def work(request: pb.UnloadRequest) -> pb.UnloadResponse:
            self._api.unload(request.id)
            return pb.UnloadResponse()

        await self._answering.change(stream, work, lambda request: f"unload program {request.id}")

    async def Attach(self, stream: Stream[pb.AttachRequest, pb.AttachResponse]) -> None:
        """Attach a loaded program."""

        def work(request: pb.AttachRequest) -> pb.AttachResponse:
            link = self._api.attach(request.id, requests.attach_from_wire(request))
            return pb.AttachResponse(link_id=link.id, link=views.link_to_wire(link))

        await self._answering.change(stream, work, lambda request: f"attach program {request.id}")

    async def Detach(self, stream: Stream[pb.DetachRequest, pb.DetachResponse]) -> None:
        """Detach a link."""

        def work(request: pb.DetachRequest) -> pb.DetachResponse:
            self._api.detach(request.link_id)
            return pb.DetachResponse()

        await self._answering.change(stream, work, lambda request: f"detach link {request.link_id}")

    async def List(self, stream: Stream[pb.ListRequest, pb.ListResponse]) -> None:
        """List programs."""

        def work(request: pb.ListRequest) -> pb.ListResponse:
            found = self._api.list(requests.list_from_wire(request))
            return pb.ListResponse(
                results=[views.program_to_wire(view, pb.ListResult) for view in found]
            )

        await self._answering.read(stream, work)

    async def Get(self, stream: Stream[pb.GetRequest, pb.GetResponse]) -> None:
        """Give all details of one program."""

        def work(request: pb.GetRequest) -> pb.GetResponse:
            return views.program_to_wire(self._api.get(request.id), pb.GetResponse)

        await self._answering.read(stream, work)

    async def PullBytecode(
        self, stream: Stream[pb.PullBytecodeRequest, pb.PullBytecodeResponse]
    ) -> None:
        """Fetch an image."""

        def work(request: pb.PullBytecodeRequest) -> pb.PullBytecodeResponse:
            self._api.pull(requests.image_from_wire(request.image))
            return pb.PullBytecodeResponse()

        def what(request: pb.PullBytecodeRequest) -> str:
            return f"pull {request.image.url}"

        await self._answering.change(stream, work, what, lambda _: Kind.FETCH)


class Extra(ExtraBase):
    """The methods beyond the shared format."""

    def __init__(self, api: Api, answering: Answering) -> None:
        self._api = api
        self._answering = answering

    async def Update(self, stream: Stream[extra.UpdateRequest, extra.UpdateResponse]) -> None:
        """Change a running link."""

        def work(request: extra.UpdateRequest) -> extra.UpdateResponse:
            link = self._api.update(requests.update_from_wire(request))
            return extra.UpdateResponse(link=views.link_to_wire(link))

        await self._answering.change(stream, work, lambda request: f"update link {request.link_id}")

    async def ListLinks(
        self, stream: Stream[extra.ListLinksRequest, extra.ListLinksResponse]
    ) -> None:
        """List links."""

        def work(_: extra.ListLinksRequest) -> extra.ListLinksResponse:
            links = [views.link_to_wire(view) for view in self._api.links()]
            return extra.ListLinksResponse(links=links)

        await self._answering.read(stream, work)

    async def GetLink(self, stream: Stream[extra.GetLinkRequest, extra.GetLinkResponse]) -> None:
        """Give all details of one link."""

        def work(request: extra.GetLinkRequest) -> extra.GetLinkResponse:
            link = self._api.get_link(request.link_id)
            return extra.GetLinkResponse(link=views.link_to_wire(link))

        await self._answering.read(stream, work)

    async def ListChains(
        self, stream: Stream[extra.ListChainsRequest, extra.ListChainsResponse]
    ) -> None:
        """List the hooks that can hold several programs, with those on them."""

        def work(request: extra.ListChainsRequest) -> extra.ListChainsResponse:
            netns = request.netns if request.HasField("netns") else None
            chains = [views.chain_to_wire(view) for view in self._api.chains(netns)]
            return extra.ListChainsResponse(chains=chains)

        await self._answering.read(stream, work)

    async def ListPlugins(
        self, stream: Stream[extra.ListPluginsRequest, extra.ListPluginsResponse]
    ) -> None:
        """List the plugins that the service uses, or could not use."""

        def work(_: extra.ListPluginsRequest) -> extra.ListPluginsResponse:
            plugins = [views.plugin_to_wire(info) for info in self._api.plugins()]
            return extra.ListPluginsResponse(plugins=plugins)

        await self._answering.read(stream, work)

    async def GetVerifierLog(
        self, stream: Stream[extra.GetVerifierLogRequest, extra.GetVerifierLogResponse]
    ) -> None:
        """Give the whole log of a recent rejection."""

        def work(request: extra.GetVerifierLogRequest) -> extra.GetVerifierLogResponse:
            return extra.GetVerifierLogResponse(log=self._answering.logs.get(request.log_id))

        await self._answering.read(stream, work)

    async def GetInfo(self, stream: Stream[extra.GetInfoRequest, extra.GetInfoResponse]) -> None:
        """Say which bpfman this is."""

        def work(_: extra.GetInfoRequest) -> extra.GetInfoResponse:
            return extra.GetInfoResponse(version=__version__, process_id=os.getpid())

        await self._answering.read(stream, work)


def _kind(request: pb.LoadRequest) -> Kind:
    image = request.bytecode.image  # an empty one asks nobody: it is refused
    never = image.image_pull_policy == requests.PULL_POLICIES.index(PullPolicy.NEVER)
    return Kind.FETCH if image.url and not never else Kind.CHANGE


def _loading(request: pb.LoadRequest) -> str:
    names = ", ".join(info.name or "the only program" for info in request.info)
    return f"load {names} of {request.bytecode.image.url or request.bytecode.file}"
