"""The program types that the shared format names, as type words with options.

No other module of the service knows a program type by name. What is "" or empty in a message
counts as not given: the type's own options class has the defaults, and says what it cannot do
without.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bpfman_core.api import AttachPart
from bpfman_core.errors import InvalidRequest
from bpfman_core.model import Json
from bpfman_core.rpc.generated import bpfman_pb2 as pb

_XDP_VERDICTS = {
    0: "aborted",
    1: "drop",
    2: "pass",
    3: "tx",
    4: "redirect",
    31: "dispatcher_return",
}
_TC_VERDICTS = {
    -1: "unspec",
    0: "ok",
    1: "reclassify",
    2: "shot",
    3: "pipe",
    4: "stolen",
    5: "queued",
    6: "repeat",
    7: "redirect",
    8: "trap",
    30: "dispatcher_return",
}


def type_word(number: int) -> str:
    """The type word for a BpfmanProgramType. Raises InvalidRequest for a number without a name."""
    if number not in pb.BpfmanProgramType.values():
        raise InvalidRequest(f"program_type: {number} is no program type")
    return pb.BpfmanProgramType.Name(pb.BpfmanProgramType.ValueType(number)).lower()


def load_options(info: pb.ProgSpecificInfo) -> dict[str, Json]:
    """The load options out of the message for one program type; none where it is empty."""
    match info.WhichOneof("info"):
        case "fentry_load_info":
            return _given(fn_name=info.fentry_load_info.fn_name)
        case "fexit_load_info":
            return _given(fn_name=info.fexit_load_info.fn_name)
        case "lsm_load_info":
            return _given(hook_name=info.lsm_load_info.hook_name)
        case _:
            return {}


def attach_part(info: pb.AttachInfo) -> AttachPart:
    """Where to attach. Raises InvalidRequest where `info` is empty or names an unknown verdict."""
    match info.WhichOneof("info"):
        case "xdp_attach_info":
            return _part("xdp", _xdp(info.xdp_attach_info), info.xdp_attach_info.metadata)
        case "tc_attach_info":
            return _part("tc", _tc(info.tc_attach_info), info.tc_attach_info.metadata)
        case "tcx_attach_info":
            return _part("tcx", _tcx(info.tcx_attach_info), info.tcx_attach_info.metadata)
        case "tracepoint_attach_info":
            tracepoint = info.tracepoint_attach_info
            options = _given(tracepoint=tracepoint.tracepoint)
            return _part("tracepoint", options, tracepoint.metadata)
        case "kprobe_attach_info":
            kprobe = info.kprobe_attach_info
            return _part("kprobe", _kprobe(kprobe), kprobe.metadata)
        case "uprobe_attach_info":
            uprobe = info.uprobe_attach_info
            return _part("uprobe", _uprobe(uprobe), uprobe.metadata)
        case "fentry_attach_info":
            return _part("fentry", {}, info.fentry_attach_info.metadata)
        case "fexit_attach_info":
            return _part("fexit", {}, info.fexit_attach_info.metadata)
        case "lsm_attach_info":
            return _part("lsm", {}, info.lsm_attach_info.metadata)
        case _:
            raise InvalidRequest("attach: no attach info is set, so there is nothing to attach to")


def _xdp(info: pb.XDPAttachInfo) -> dict[str, Json]:
    return _given(
        iface=info.iface,
        priority=info.priority,
        proceed_on=_verdicts(info.proceed_on, _XDP_VERDICTS),
        netns=info.netns,
    )


def _tc(info: pb.TCAttachInfo) -> dict[str, Json]:
    return _given(
        direction=info.direction,
        iface=info.iface,
        priority=info.priority,
        proceed_on=_verdicts(info.proceed_on, _TC_VERDICTS),
        netns=info.netns,
    )


def _tcx(info: pb.TCXAttachInfo) -> dict[str, Json]:
    return _given(
        direction=info.direction,
        iface=info.iface,
        priority=info.priority,
        netns=info.netns,
    )


def _kprobe(info: pb.KprobeAttachInfo) -> dict[str, Json]:
    return _given(
        fn_name=info.fn_name,
        offset=info.offset,
        container_pid=info.container_pid if info.HasField("container_pid") else None,
    )


def _uprobe(info: pb.UprobeAttachInfo) -> dict[str, Json]:
    return _given(
        fn_name=info.fn_name,
        offset=info.offset,
        target=info.target,
        pid=info.pid if info.HasField("pid") else None,
        container_pid=info.container_pid if info.HasField("container_pid") else None,
    )


def _part(word: str, options: dict[str, Json], metadata: Mapping[str, str]) -> AttachPart:
    return AttachPart(word, options, dict(metadata))


def _given(**options: Json) -> dict[str, Json]:
    return {name: value for name, value in options.items() if value not in ("", [], None)}


def _verdicts(codes: Iterable[int], names: Mapping[int, str]) -> list[str]:
    for code in codes:
        if code not in names:
            known = ", ".join(f"{number} {name}" for number, name in names.items())
            raise InvalidRequest(f"proceed_on: {code} is none of {known}")
    return [names[code] for code in codes]
