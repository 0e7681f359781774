"""Replies as messages, and back, without loss: what users see is the same on either side.

A map has no order on the wire: names come back in alphabetical order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from bpfman_core.model import (
    ChainMember,
    ChainView,
    FileOrigin,
    ImageOrigin,
    KernelProgram,
    LinkView,
    Origin,
    PluginInfo,
    ProgramSpec,
    ProgramView,
)
from bpfman_core.rpc import values
from bpfman_core.rpc.generated import bpfman_pb2 as pb
from bpfman_core.rpc.generated import extra_pb2 as extra
from bpfman_core.rpc.requests import PULL_POLICIES

Entry = TypeVar("Entry", pb.LoadResponseInfo, pb.ListResult, pb.GetResponse)

_TIME = "%Y-%m-%dT%H:%M:%S%z"


# ---- to the wire


def program_to_wire(view: ProgramView, kind: type[Entry]) -> Entry:
    """A program, in one of the messages that hold a program; without `info` if it is not ours."""
    return kind(info=_info_to_wire(view), kernel_info=_kernel_to_wire(view.kernel, view.type))


def link_to_wire(view: LinkView) -> extra.Link:
    """A link with the rows that its plugin rendered."""
    return extra.Link(
        id=view.id,
        program_id=view.program_id,
        type=view.type,
        options=values.to_wire(view.options),
        metadata=view.metadata,
        attached=view.attached,
        position=view.position,
        detail=view.detail,
        rows=[extra.Link.Row(label=label, text=text) for label, text in view.rows],
    )


def plugin_to_wire(info: PluginInfo) -> extra.Plugin:
    """A plugin that the service found."""
    return extra.Plugin(
        name=info.name,
        distribution=info.distribution,
        version=info.version,
        status=info.status,
        types=info.types,
        reason=info.reason,
    )


def chain_to_wire(view: ChainView) -> extra.Chain:
    """A hook with the programs on it."""
    return extra.Chain(
        type=view.type,
        iface=view.iface,
        members=[
            extra.Chain.Member(
                program_id=member.program_id,
                name=member.name,
                link_id=member.link_id,
                priority=member.priority,
                proceed_on=member.proceed_on,
            )
            for member in view.members
        ],
        netns=view.netns,
        direction=view.direction,
        mode=view.mode,
    )


def _info_to_wire(view: ProgramView) -> pb.ProgramInfo | None:
    spec = view.spec
    if spec is None:
        return None
    return pb.ProgramInfo(
        name=spec.name,
        bytecode=_origin_to_wire(spec.origin),
        links=view.link_ids,
        global_data=spec.globals,
        map_owner_id=spec.map_owner_id,
        map_pin_path=view.map_pin_path or "",
        map_used_by=[str(program_id) for program_id in view.map_used_by],
        metadata=spec.metadata,
        type=spec.type,
        options=values.to_wire(spec.options),
        application=spec.application,
        link_details=[link_to_wire(link) for link in view.links],
    )


def _origin_to_wire(origin: Origin) -> pb.BytecodeLocation:
    if isinstance(origin, FileOrigin):
        return pb.BytecodeLocation(file=origin.path)
    image = pb.BytecodeImage(
        url=origin.url,
        image_pull_policy=PULL_POLICIES.index(origin.pull_policy),
        digest=origin.digest,
        source=origin.source,
        signature=origin.signature,
    )
    return pb.BytecodeLocation(image=image)


def _kernel_to_wire(program: KernelProgram, word: str) -> pb.KernelProgramInfo:
    return pb.KernelProgramInfo(
        id=program.id,
        name=program.name,
        program_type=program.type,
        loaded_at=datetime.fromtimestamp(program.loaded_at).astimezone().strftime(_TIME),
        tag=program.tag,
        gpl_compatible=program.gpl_compatible,
        map_ids=program.map_ids,
        btf_id=program.btf_id or 0,
        bytes_xlated=program.bytes_translated,
        jited=program.jited,
        bytes_jited=program.bytes_jited,
        bytes_memlock=program.bytes_memlock,
        verified_insns=program.verified_instructions,
        type=word,
        loaded_at_seconds=program.loaded_at,
    )


# ---- from the wire


def program_from_wire(entry: pb.LoadResponseInfo | pb.ListResult | pb.GetResponse) -> ProgramView:
    """The inverse of `program_to_wire`."""
    kernel, word = _kernel_from_wire(entry.kernel_info), entry.kernel_info.type
    if not entry.HasField("info"):
        return ProgramView(kernel, word)
    info = entry.info
    return ProgramView(
        kernel,
        word,
        spec=_spec_from_wire(info),
        map_pin_path=info.map_pin_path or None,
        map_used_by=tuple(int(program_id) for program_id in info.map_used_by),
        links=tuple(link_from_wire(link) for link in info.link_details),
        link_ids=tuple(info.links),
    )


def link_from_wire(message: extra.Link) -> LinkView:
    """The inverse of `link_to_wire`."""
    return LinkView(
        id=message.id,
        program_id=message.program_id,
        type=message.type,
        options=values.from_wire(message.options),
        metadata=dict(sorted(message.metadata.items())),
        attached=message.attached,
        position=message.position if message.HasField("position") else None,
        detail=message.detail,
        rows=tuple((row.label, row.text) for row in message.rows),
    )


def plugin_from_wire(message: extra.Plugin) -> PluginInfo:
    """The inverse of `plugin_to_wire`."""
    return PluginInfo(
        message.name,
        message.distribution,
        message.version,
        message.status,
        tuple(message.types),
        message.reason,
    )


def chain_from_wire(message: extra.Chain) -> ChainView:
    """The inverse of `chain_to_wire`."""
    return ChainView(
        type=message.type,
        iface=message.iface,
        members=tuple(
            ChainMember(
                member.program_id,
                member.name,
                member.link_id if member.HasField("link_id") else None,
                member.priority if member.HasField("priority") else None,
                tuple(member.proceed_on),
            )
            for member in message.members
        ),
        netns=message.netns if message.HasField("netns") else None,
        direction=message.direction if message.HasField("direction") else None,
        mode=message.mode if message.HasField("mode") else None,
    )


def _spec_from_wire(info: pb.ProgramInfo) -> ProgramSpec:
    return ProgramSpec(
        name=info.name,
        type=info.type,
        origin=_origin_from_wire(info.bytecode),
        globals=dict(sorted(info.global_data.items())),
        metadata=dict(sorted(info.metadata.items())),
        application=info.application if info.HasField("application") else None,
        map_owner_id=info.map_owner_id if info.HasField("map_owner_id") else None,
        options=values.from_wire(info.options),
    )


def _origin_from_wire(where: pb.BytecodeLocation) -> Origin:
    if where.WhichOneof("location") != "image":
        return FileOrigin(where.file)
    image = where.image
    policy = PULL_POLICIES[image.image_pull_policy]
    return ImageOrigin(image.url, policy, image.digest, image.source, image.signature)


def _kernel_from_wire(info: pb.KernelProgramInfo) -> KernelProgram:
    return KernelProgram(
        id=info.id,
        name=info.name,
        type=info.program_type,
        loaded_at=info.loaded_at_seconds,
        tag=info.tag,
        gpl_compatible=info.gpl_compatible,
        map_ids=tuple(info.map_ids),
        btf_id=info.btf_id or None,
        bytes_translated=info.bytes_xlated,
        jited=info.jited,
        bytes_jited=info.bytes_jited,
        bytes_memlock=info.bytes_memlock,
        verified_instructions=info.verified_insns,
    )
