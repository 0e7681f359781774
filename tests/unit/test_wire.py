"""Requests, replies and errors survive the wire; the shared format is understood."""

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core import errors
from bpfman_core.api import (
    AttachPart,
    FileSource,
    ImageSource,
    ListRequest,
    LoadRequest,
    ProgramRequest,
    UpdateRequest,
)
from bpfman_core.errors import BpfmanError, InvalidRequest, NotFound, VerifierRejected
from bpfman_core.model import (
    FileOrigin,
    ImageOrigin,
    KernelProgram,
    LinkView,
    PluginInfo,
    ProgramSpec,
    ProgramView,
    PullPolicy,
)
from bpfman_core.rpc import failures, requests, types, values, views
from bpfman_core.rpc.generated import bpfman_pb2 as pb
from bpfman_core.rpc.generated import extra_pb2 as extra

ids = st.integers(0, 2**32 - 1)
text = st.text(st.characters(codec="utf-8"), max_size=8)
words = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
pairs = st.dictionaries(text, text, max_size=3)
options = st.dictionaries(
    words,
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text | st.lists(text),
    max_size=4,
)
optional_text = st.none() | text
policies = st.sampled_from(PullPolicy)

sources = st.builds(FileSource, text, st.none() | st.binary(max_size=9)) | st.builds(
    ImageSource,
    words,
    policies,
    st.none() | words,
    st.none() | words,
)
parts = st.builds(AttachPart, words, options, pairs)
loads = st.builds(
    LoadRequest,
    source=sources,
    programs=st.lists(
        st.builds(ProgramRequest, st.none() | words, words, options), min_size=1, max_size=3
    ).map(tuple),
    globals=st.dictionaries(text, st.binary(max_size=9), max_size=3),
    metadata=pairs,
    application=optional_text,
    map_owner_id=st.none() | ids,
    attach=st.none() | parts,
)
lists = st.builds(
    ListRequest,
    all=st.booleans(),
    types=st.lists(words).map(tuple),
    kind=st.none() | ids,
    metadata=pairs,
    application=optional_text,
    details=st.booleans(),
)
kernels = st.builds(
    KernelProgram,
    id=ids,
    name=text,
    type=ids,
    loaded_at=st.floats(0, 4e9),
    tag=text,
    gpl_compatible=st.booleans(),
    map_ids=st.lists(ids).map(tuple),
    btf_id=st.none() | ids.filter(bool),
    bytes_translated=ids,
    jited=st.booleans(),
    bytes_jited=ids,
    bytes_memlock=ids,
    verified_instructions=ids,
)
specs = st.builds(
    ProgramSpec,
    name=text,
    type=words,
    origin=st.builds(FileOrigin, text) | st.builds(ImageOrigin, text, policies, text, text),
    globals=st.dictionaries(text, st.binary(max_size=9), max_size=3),
    metadata=pairs,
    application=optional_text,
    map_owner_id=st.none() | ids,
    options=options,
)
links = st.builds(
    LinkView,
    id=ids,
    program_id=ids,
    type=words,
    options=options,
    metadata=pairs,
    attached=st.booleans(),
    position=st.none() | ids,
    detail=text,
    rows=st.lists(st.tuples(text, text), max_size=3).map(tuple),
)
programs = st.builds(ProgramView, kernels, words) | st.builds(
    ProgramView,
    kernels,
    words,
    specs,
    st.none() | words,
    st.lists(ids).map(tuple),
    st.lists(links, max_size=2).map(tuple),
    st.lists(ids).map(tuple),
)


def sent(message):
    """The message as the other side reads it."""
    return type(message).FromString(message.SerializeToString())


# ---- requests


@given(loads)
def test_load(request):
    assert requests.load_from_wire(sent(requests.load_to_wire(request))) == request


@given(lists)
def test_list(request):
    assert requests.list_from_wire(sent(requests.list_to_wire(request))) == request


@given(parts)
def test_attach(part):
    message = pb.AttachRequest(id=1, part=requests.part_to_wire(part))
    assert requests.attach_from_wire(sent(message)) == part


@given(ids, options)
def test_update(link_id, changed):
    request = UpdateRequest(link_id, changed)
    assert requests.update_from_wire(sent(requests.update_to_wire(request))) == request


@pytest.mark.parametrize("value", [1.5, 2**63, ["a", 1], {"a": 1}, b"x"])
def test_a_value_that_no_option_has_is_refused(value):
    with pytest.raises(InvalidRequest, match="option speed"):
        values.to_wire({"speed": value})


# ---- replies


@given(programs)
def test_program(view):
    for kind in (pb.LoadResponseInfo, pb.ListResult, pb.GetResponse):
        assert views.program_from_wire(sent(views.program_to_wire(view, kind))) == view


@given(links)
def test_link(view):
    assert views.link_from_wire(sent(views.link_to_wire(view))) == view


@given(st.builds(PluginInfo, text, text, text, text, st.lists(words).map(tuple), text))
def test_plugin(info):
    assert views.plugin_from_wire(sent(views.plugin_to_wire(info))) == info


def test_loaded_at_reads_as_clients_expect():
    kernel = KernelProgram(1, "p", 6, 1e9, "", True, (), None, 8, True, 8, 4096, 1)
    message = views.program_to_wire(ProgramView(kernel, "xdp"), pb.GetResponse)
    assert message.kernel_info.loaded_at.startswith("2001-09-0")
    assert message.kernel_info.loaded_at[-5] in "+-"


# ---- the shared format


def attach(**info):
    return types.attach_part(sent(pb.AttachInfo(**info)))


def test_xdp():
    info = pb.XDPAttachInfo(
        priority=0, iface="eth0", position=3, proceed_on=[0, 1, 2, 3, 4, 31], netns="/run/netns/a"
    )
    assert attach(xdp_attach_info=info).options == {
        "iface": "eth0",
        "priority": 0,
        "proceed_on": ["aborted", "drop", "pass", "tx", "redirect", "dispatcher_return"],
        "netns": "/run/netns/a",
    }


def test_what_is_empty_is_not_given():
    info = pb.XDPAttachInfo(priority=5, iface="", netns="", metadata={"a": "b"})
    assert attach(xdp_attach_info=info) == AttachPart("xdp", {"priority": 5}, {"a": "b"})


def test_tc():
    codes = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 30]
    names = "unspec ok reclassify shot pipe stolen queued repeat redirect trap dispatcher_return"
    info = pb.TCAttachInfo(priority=1, iface="e", direction="egress", proceed_on=codes)
    assert attach(tc_attach_info=info) == AttachPart(
        "tc",
        {"direction": "egress", "iface": "e", "priority": 1, "proceed_on": names.split()},
    )


def test_tcx():
    info = pb.TCXAttachInfo(priority=1, iface="e", direction="ingress", netns="/n")
    assert attach(tcx_attach_info=info) == AttachPart(
        "tcx", {"direction": "ingress", "iface": "e", "priority": 1, "netns": "/n"}
    )


def test_tracepoint():
    info = pb.TracepointAttachInfo(tracepoint="sched/sched_switch")
    assert attach(tracepoint_attach_info=info) == AttachPart(
        "tracepoint", {"tracepoint": "sched/sched_switch"}
    )


def test_kprobe():
    info = pb.KprobeAttachInfo(fn_name="do_unlinkat", offset=8)
    assert attach(kprobe_attach_info=info).options == {"fn_name": "do_unlinkat", "offset": 8}
    info.container_pid = 0
    assert attach(kprobe_attach_info=info).options["container_pid"] == 0


def test_uprobe():
    info = pb.UprobeAttachInfo(target="libc", pid=1, container_pid=2)
    assert attach(uprobe_attach_info=info) == AttachPart(
        "uprobe", {"offset": 0, "target": "libc", "pid": 1, "container_pid": 2}
    )


@pytest.mark.parametrize("word", ["fentry", "fexit", "lsm"])
def test_types_whose_target_is_fixed_at_load(word):
    message = {"fentry": pb.FentryAttachInfo, "fexit": pb.FexitAttachInfo, "lsm": pb.LsmAttachInfo}
    info = {f"{word}_attach_info": message[word](metadata={"a": "b"})}
    assert attach(**info) == AttachPart(word, {}, {"a": "b"})


@pytest.mark.parametrize("number", range(9))
def test_program_types_are_type_words(number):
    known = ["xdp", "tc", "tracepoint", "kprobe", "uprobe", "fentry", "fexit", "tcx", "lsm"]
    message = pb.LoadRequest(
        bytecode=pb.BytecodeLocation(file="/o"), info=[pb.LoadInfo(name="p", program_type=number)]
    )
    (program,) = requests.load_from_wire(sent(message)).programs
    assert program == ProgramRequest("p", known[number])


def test_load_options_of_the_shared_format():
    fentry = pb.ProgSpecificInfo(fentry_load_info=pb.FentryLoadInfo(fn_name="f"))
    fexit = pb.ProgSpecificInfo(fexit_load_info=pb.FexitLoadInfo(fn_name="f"))
    lsm = pb.ProgSpecificInfo(lsm_load_info=pb.LsmLoadInfo(hook_name="h"))
    assert types.load_options(fentry) == types.load_options(fexit) == {"fn_name": "f"}
    assert types.load_options(lsm) == {"hook_name": "h"}
    assert types.load_options(pb.ProgSpecificInfo()) == {}


def test_credentials_that_are_empty_are_absent():
    source = requests.image_from_wire(pb.BytecodeImage(url="u", username="", password=""))
    assert source == ImageSource("u", PullPolicy.ALWAYS)


def test_a_list_without_conditions_is_of_all_programs():
    assert requests.list_from_wire(pb.ListRequest()) == ListRequest(all=True)


@pytest.mark.parametrize(
    "message",
    [
        pb.LoadRequest(),
        pb.LoadRequest(info=[pb.LoadInfo(name="p")]),
        pb.LoadRequest(bytecode=pb.BytecodeLocation(file="/o")),
        pb.LoadRequest(
            bytecode=pb.BytecodeLocation(image=pb.BytecodeImage(url="u", image_pull_policy=3)),
            info=[pb.LoadInfo(name="p")],
        ),
        pb.LoadRequest(
            bytecode=pb.BytecodeLocation(file="/o"),
            info=[pb.LoadInfo(name="p")],
            attach=extra.AttachPart(),
        ),
    ],
)
def test_a_load_without_sense_is_refused(message):
    with pytest.raises(InvalidRequest):
        requests.load_from_wire(message)


@pytest.mark.parametrize("number", [9, 42, -1])
def test_an_unknown_program_type_is_refused(number):
    with pytest.raises(InvalidRequest, match="program_type"):
        types.type_word(number)


@pytest.mark.parametrize("code", [-1, 5, 30])
def test_an_unknown_verdict_is_refused(code):
    with pytest.raises(InvalidRequest, match="proceed_on"):
        attach(xdp_attach_info=pb.XDPAttachInfo(proceed_on=[code]))


def test_an_empty_attach_info_is_refused():
    with pytest.raises(InvalidRequest, match="attach"):
        attach()


# ---- errors


def plain_errors():
    special = (errors.Unsupported, errors.VerifierRejected, errors.KernelError)
    kinds = [BpfmanError, *BpfmanError.__subclasses__(), errors.InvalidObject]
    return [kind for kind in kinds if kind not in special]


@pytest.mark.parametrize("kind", plain_errors())
@pytest.mark.parametrize("hint", [None, "do this"])
def test_errors(kind, hint):
    status = failures.to_status(kind("it broke", hint=hint), failures.VerifierLogs())
    assert (status.status.name, status.message) == (
        kind.status,
        "it broke; do this" if hint else "it broke",
    )
    back = failures.from_status(status)
    assert (type(back), back.message, back.hint) == (kind, "it broke", hint)
    assert back.exit_code == kind.exit_code


def test_an_error_of_another_server_gets_the_class_of_its_status():
    assert type(failures.from_status(GRPCError(Status.NOT_FOUND, "gone"))) is NotFound
    assert type(failures.from_status(GRPCError(Status.DATA_LOSS))) is BpfmanError


def test_a_status_fits_into_headers():
    long = "é" * 5000
    error = VerifierRejected(long, log=long * 100, telling=long)
    status = failures.to_status(error, failures.VerifierLogs())
    (failure,) = status.details
    assert len(failure.SerializeToString()) + len(status.message.encode()) < 6000


def test_logs_are_kept_for_a_while():
    logs = failures.VerifierLogs(keep=2)
    first, second, third = logs.add("a"), logs.add("b"), logs.add("c")
    assert (logs.get(second), logs.get(third)) == ("b", "c")
    with pytest.raises(NotFound):
        logs.get(first)
