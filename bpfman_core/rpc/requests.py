"""Requests as messages, and back.

Towards the wire a program type always travels by its word (the fields from 1000 up), so any type
that a plugin brings passes. From the wire both that and the shared format are understood.
"""

from __future__ import annotations

from bpfman_core import api
from bpfman_core.errors import InvalidRequest
from bpfman_core.model import PullPolicy
from bpfman_core.rpc import types, values
from bpfman_core.rpc.generated import bpfman_pb2 as pb
from bpfman_core.rpc.generated import extra_pb2 as extra

PULL_POLICIES = (PullPolicy.ALWAYS, PullPolicy.IF_NOT_PRESENT, PullPolicy.NEVER)
"""In the order of their numbers on the wire."""


# ---- to the wire


def load_to_wire(request: api.LoadRequest) -> pb.LoadRequest:
    """A LoadRequest with everything that it holds, the object's bytes included."""
    message = pb.LoadRequest(
        metadata=request.metadata,
        global_data=request.globals,
        map_owner_id=request.map_owner_id,
        application=request.application,
        info=[
            pb.LoadInfo(name=one.name or "", type=one.type, options=values.to_wire(one.options))
            for one in request.programs
        ],
    )
    if isinstance(request.source, api.FileSource):
        message.bytecode.file = request.source.path
        if request.source.data is not None:
            message.object = request.source.data
    else:
        message.bytecode.image.CopyFrom(image_to_wire(request.source))
    if request.attach is not None:
        message.attach.CopyFrom(part_to_wire(request.attach))
    return message


def image_to_wire(source: api.ImageSource) -> pb.BytecodeImage:
    """Which image, and how to get it."""
    return pb.BytecodeImage(
        url=source.url,
        image_pull_policy=PULL_POLICIES.index(source.pull_policy),
        username=source.username,
        password=source.password,
    )


def part_to_wire(part: api.AttachPart) -> extra.AttachPart:
    """Where to attach."""
    return extra.AttachPart(
        type=part.type, options=values.to_wire(part.options), metadata=part.metadata
    )


def list_to_wire(request: api.ListRequest) -> pb.ListRequest:
    """Which programs to list."""
    return pb.ListRequest(
        program_type=request.kind,
        bpfman_programs_only=not request.all,
        match_metadata=request.metadata,
        types=request.types,
        application=request.application,
        details=request.details,
    )


def update_to_wire(request: api.UpdateRequest) -> extra.UpdateRequest:
    """Which link to change, and how."""
    return extra.UpdateRequest(link_id=request.link_id, options=values.to_wire(request.options))


# ---- from the wire; what makes no sense raises InvalidRequest


def load_from_wire(message: pb.LoadRequest) -> api.LoadRequest:
    """The inverse of `load_to_wire`, for the shared format too."""
    if not message.info:
        raise InvalidRequest("info: no program to load is named")
    return api.LoadRequest(
        source=_source(message),
        programs=tuple(_program(info) for info in message.info),
        globals=dict(message.global_data),
        metadata=dict(message.metadata),
        application=message.application if message.HasField("application") else None,
        map_owner_id=message.map_owner_id if message.HasField("map_owner_id") else None,
        attach=_part(message.attach) if message.HasField("attach") else None,
    )


def image_from_wire(message: pb.BytecodeImage) -> api.ImageSource:
    """The inverse of `image_to_wire`; empty credentials count as none."""
    if not 0 <= message.image_pull_policy < len(PULL_POLICIES):
        raise InvalidRequest(f"image_pull_policy: {message.image_pull_policy} is none of 0, 1, 2")
    if not message.url:
        raise InvalidRequest("image: url is empty")
    return api.ImageSource(
        url=message.url,
        pull_policy=PULL_POLICIES[message.image_pull_policy],
        username=message.username or None,
        password=message.password or None,
    )


def attach_from_wire(message: pb.AttachRequest) -> api.AttachPart:
    """Where to attach, in whichever way the message says it."""
    return _part(message.part) if message.HasField("part") else types.attach_part(message.attach)


def list_from_wire(message: pb.ListRequest) -> api.ListRequest:
    """The inverse of `list_to_wire`."""
    return api.ListRequest(
        all=not message.bpfman_programs_only,
        types=tuple(message.types),
        kind=message.program_type if message.HasField("program_type") else None,
        metadata=dict(message.match_metadata),
        application=message.application if message.HasField("application") else None,
        details=message.details,
    )


def update_from_wire(message: extra.UpdateRequest) -> api.UpdateRequest:
    """The inverse of `update_to_wire`."""
    return api.UpdateRequest(message.link_id, values.from_wire(message.options))


def _source(message: pb.LoadRequest) -> api.FileSource | api.ImageSource:
    where = message.bytecode
    match where.WhichOneof("location"):
        case "image":
            return image_from_wire(where.image)
        case "file":
            data = message.object if message.HasField("object") else None
            return api.FileSource(where.file, data)
        case _:
            raise InvalidRequest("bytecode: neither an image nor a file is named")


def _program(info: pb.LoadInfo) -> api.ProgramRequest:
    name = info.name or None
    if info.type:
        return api.ProgramRequest(name, info.type, values.from_wire(info.options))
    word = types.type_word(info.program_type)
    return api.ProgramRequest(name, word, types.load_options(info.info))


def _part(message: extra.AttachPart) -> api.AttachPart:
    if not message.type:
        raise InvalidRequest("attach: type is empty")
    return api.AttachPart(message.type, values.from_wire(message.options), dict(message.metadata))
