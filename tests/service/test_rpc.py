"""Requests through a real socket: by our client, and by grpcio as clients out there send them."""

import threading
from pathlib import Path

import grpc
import pytest
from google.rpc import status_pb2

from bpfman_core.api import (
    AttachPart,
    FileSource,
    ImageSource,
    ListRequest,
    LoadRequest,
    ProgramRequest,
    UpdateRequest,
)
from bpfman_core.errors import (
    Full,
    InvalidRequest,
    KernelError,
    NotFound,
    ServiceError,
    Unsupported,
    VerifierRejected,
)
from bpfman_core.model import FileOrigin, ImageOrigin, PluginInfo, PullPolicy
from bpfman_core.rpc.client import Client
from bpfman_core.rpc.generated.extra_pb2 import Failure
from bpfman_core.testing.waiting import wait_until


def a_load(name="p", **others):
    return LoadRequest(FileSource("/o", b"\x7fELF"), (ProgramRequest(name, "xdp"),), **others)


# ---- our client


def test_a_load_with_everything_comes_back(client):
    part = AttachPart("any_type", {"priority": 5, "on": ("a", "b"), "x": None}, {"k": "v"})
    request = LoadRequest(
        FileSource("/home/me/x.o", b"\x7fELF"),
        (ProgramRequest("one", "any_type", {"frags": True}), ProgramRequest(None, "xdp")),
        globals={"limit": b"\x00\xff"},
        metadata={"bpfman.io/uuid": "1"},
        application="shop",
        map_owner_id=0,
        attach=part,
    )
    one, only = client.load(request)
    assert (one.type, one.spec.options, one.spec.name) == ("any_type", {"frags": True}, "one")
    assert only.spec.name == "only"
    assert one.spec.origin == FileOrigin("/home/me/x.o")
    assert one.spec.globals == {"limit": b"\x00\xff"}
    assert one.spec.metadata == {"bpfman.io/uuid": "1"}
    assert (one.spec.application, one.spec.map_owner_id) == ("shop", 0)
    assert one.links[0].options == {"priority": 5, "on": ["a", "b"], "x": None}
    assert one.links[0].metadata == {"k": "v"}
    assert one.links[0].rows == (("Priority", "5"),)
    assert one.kernel.loaded_at == 1.5e9 + 0.25
    assert client.get(one.kernel.id) == one


def test_links_are_listed_changed_and_detached(client):
    (program,) = client.load(a_load())
    link = client.attach(program.kernel.id, AttachPart("xdp", {"priority": 1}))
    assert client.get_link(link.id) == link
    assert link in client.links()
    changed = client.update(UpdateRequest(link.id, {"priority": 9}))
    assert (changed.id, changed.options) == (link.id, {"priority": 9})
    client.detach(link.id)
    with pytest.raises(NotFound):
        client.get_link(link.id)


def test_an_image_keeps_its_digest_and_source(client):
    source = ImageSource("quay.io/x/y:z", PullPolicy.NEVER)
    (program,) = client.load(LoadRequest(source, (ProgramRequest("p", "xdp"),)))
    assert program.spec.origin == ImageOrigin(
        "quay.io/x/y:z", PullPolicy.NEVER, "sha256:00", "cache"
    )


def test_chains(client):
    for netns in (None, "/run/netns/blue"):
        (chain,) = client.chains(netns)
        assert (chain.type, chain.iface, chain.netns) == ("xdp", "eth0", netns)
        assert (chain.direction, chain.mode) == (None, "native")
        ours, stranger = chain.members
        assert (ours.link_id, ours.priority, ours.proceed_on) == (1, 50, ("pass",))
        assert (stranger.link_id, stranger.priority, stranger.name) == (None, None, "stranger")


def test_plugins_and_version(client):
    assert client.plugins() == (
        PluginInfo("xdp", "bpfman-xdp", "1.2", "broken", ("xdp",), "it fell"),
    )
    assert client.version() == "0.1.0"


def test_programs_of_others(client):
    assert client.get(7).spec is None
    assert client.get(7).type == "fexit"
    assert 7 in [view.kernel.id for view in client.list(ListRequest(all=True))]
    assert 7 not in [view.kernel.id for view in client.list(ListRequest())]
    assert [view.kernel.id for view in client.list(ListRequest(all=True, kind=26))] == [7]


def test_sixteen_mebibytes_pass(client):
    source = FileSource("/o", bytes(16 << 20))
    (program,) = client.load(LoadRequest(source, (ProgramRequest("p", "xdp"),)))
    assert program.kernel.bytes_translated == 16 << 20


# ---- errors


def test_an_error_keeps_its_class_hint_and_exit_code(client):
    with pytest.raises(NotFound) as caught:
        client.unload(12345)
    assert caught.value.message == "there is no program 12345"
    assert caught.value.hint == "`bpfman list` shows them"
    assert caught.value.exit_code == 3


def test_a_rejection_brings_its_whole_log(client):
    with pytest.raises(VerifierRejected) as caught:
        client.load(a_load("rejected"))
    assert caught.value.telling == "invalid access"
    assert caught.value.log.splitlines()[0] == "0: R0=0"
    assert len(caught.value.log.splitlines()) == 20_000


def test_errors_with_data_keep_it(client):
    with pytest.raises(Unsupported, match="no tcx; use tc") as unsupported:
        client.load(a_load("unsupported"))
    assert unsupported.value.feature == "tcx"
    with pytest.raises(KernelError, match=r"resource busy .*: busy") as kernel:
        client.load(a_load("kernel"))
    assert (kernel.value.call, kernel.value.errno) == ("BPF_LINK_CREATE", 16)
    with pytest.raises(Full):
        client.load(a_load("full"))


def test_what_cannot_be_said_on_the_wire_is_refused(client):
    with pytest.raises(InvalidRequest, match="out of range"):
        client.get(1 << 40)
    with pytest.raises(InvalidRequest, match="option priority"):
        client.attach(1, AttachPart("xdp", {"priority": 2.5}))


def test_without_a_service_the_error_says_how_to_start_one(tmp_path):
    with Client(tmp_path / "none") as client, pytest.raises(ServiceError, match="system service"):
        client.list(ListRequest())


def test_a_service_that_dies_is_an_error_and_a_new_one_is_found(service, tmp_path):
    with service.started().client() as client:
        client.list(ListRequest())
        file = tmp_path / "go"
        killer = threading.Thread(target=lambda: (_appears(file), service.process.kill()))
        killer.start()
        with pytest.raises(ServiceError, match="broke off"):
            client.load(a_load(f"wait:{file}"))
        killer.join()
        service.ended()
        service.started()
        assert client.list(ListRequest()) == ()


# ---- clients out there


def test_all_seven_methods(foreign, channel):
    loaded = foreign.call(channel, "Load", _a_foreign_load(foreign))
    (program,) = loaded.programs
    number = program.kernel_info.id
    assert program.info.name == "counter"
    assert program.info.metadata["bpfman.io/ProgramName"] == "mine"
    assert program.info.global_data["x"] == b"\x01"
    assert program.info.map_used_by == [str(number)]
    assert program.kernel_info.loaded_at.startswith("2017-07-1")
    assert program.kernel_info.program_type == 6

    xdp = foreign.XDPAttachInfo(priority=50, iface="eth9", proceed_on=[2, 31], netns="")
    request = foreign.AttachRequest(id=number, attach=foreign.AttachInfo(xdp_attach_info=xdp))
    link = foreign.call(channel, "Attach", request).link_id
    assert link

    got = foreign.call(channel, "Get", foreign.GetRequest(id=number))
    assert got.info.bytecode.file == "/path/seen/by/service"
    everything = foreign.call(channel, "List", foreign.ListRequest()).results
    assert {number, 7} <= {result.kernel_info.id for result in everything}
    assert not next(one for one in everything if one.kernel_info.id == 7).HasField("info")
    ours = foreign.call(channel, "List", foreign.ListRequest(bpfman_programs_only=True)).results
    assert all(result.HasField("info") for result in ours)

    image = foreign.BytecodeImage(url="u", username="user", password="secret")
    foreign.call(channel, "PullBytecode", foreign.PullBytecodeRequest(image=image))
    foreign.call(channel, "Detach", foreign.DetachRequest(link_id=link))
    foreign.call(channel, "Unload", foreign.UnloadRequest(id=number))


def test_attach_options_arrive_by_their_names(foreign, channel, client):
    number = foreign.call(channel, "Load", _a_foreign_load(foreign)).programs[0].kernel_info.id
    tc = foreign.TCAttachInfo(priority=1, iface="eth9", direction="ingress", proceed_on=[-1, 30])
    request = foreign.AttachRequest(id=number, attach=foreign.AttachInfo(tc_attach_info=tc))
    link = client.get_link(foreign.call(channel, "Attach", request).link_id)
    assert (link.type, link.options) == (
        "tc",
        {
            "direction": "ingress",
            "iface": "eth9",
            "priority": 1,
            "proceed_on": ["unspec", "dispatcher_return"],
        },
    )


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("rejected", grpc.StatusCode.INVALID_ARGUMENT),
        ("unsupported", grpc.StatusCode.UNIMPLEMENTED),
        ("kernel", grpc.StatusCode.INTERNAL),
        ("full", grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_errors_have_the_fitting_status_and_one_line(foreign, channel, name, status):
    with pytest.raises(grpc.RpcError) as caught:
        foreign.call(channel, "Load", _a_foreign_load(foreign, name))
    assert caught.value.code() == status
    assert "\n" not in caught.value.details()


def test_the_end_of_the_verifier_log_is_a_detail(foreign, channel):
    with pytest.raises(grpc.RpcError) as caught:
        foreign.call(channel, "Load", _a_foreign_load(foreign, "rejected"))
    failure = _failure(caught.value)
    assert failure.kind == "VerifierRejected"
    assert failure.log_end.endswith("19999: R0=0")


def test_requests_without_sense_are_invalid_arguments(foreign, channel):
    empty = foreign.LoadRequest(info=[foreign.LoadInfo(name="x")])
    unknown = _a_foreign_load(foreign)
    unknown.info[0].program_type = 42
    verdict = foreign.AttachInfo(xdp_attach_info=foreign.XDPAttachInfo(proceed_on=[9]))
    for method, request in [
        ("Load", empty),
        ("Load", foreign.LoadRequest()),
        ("Load", unknown),
        ("Attach", foreign.AttachRequest(id=1)),
        ("Attach", foreign.AttachRequest(id=1, attach=verdict)),
        ("PullBytecode", foreign.PullBytecodeRequest()),
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            foreign.call(channel, method, request)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT, (method, request)


def test_a_fault_of_the_service_is_internal_and_logged(foreign, channel, running):
    request = foreign.PullBytecodeRequest(image=foreign.BytecodeImage(url="u"))
    with pytest.raises(grpc.RpcError) as caught:
        foreign.call(channel, "PullBytecode", request)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert any("a fault of the service" in line.get("exception", "") for line in running.log)


def test_health_and_reflection_answer(channel):
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"\x0a\x10bpfman.v1.Bpfman", timeout=10) == b"\x08\x01"
    reflect = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    (reply,) = reflect(iter([b"\x3a\x01*"]), timeout=10)
    assert b"bpfman.extra.v1.Extra" in reply


# ---- logging, threads


def test_every_change_is_logged_with_its_caller(client, running):
    import os

    client.load(a_load("logged"))
    line = next(one for one in running.log if one["event"] == "load logged of /o: done")
    assert (line["caller_uid"], line["caller_pid"]) == (os.getuid(), os.getpid())
    with pytest.raises(NotFound):
        client.detach(99)
    assert any(one["event"].startswith("detach link 99: failed:") for one in running.log)


def test_reads_are_answered_while_loads_are_slow(running, client, tmp_path):
    file = tmp_path / "go"
    loads = [threading.Thread(target=_load_and_wait, args=(running, file)) for _ in range(12)]
    for load in loads:
        load.start()
    _appears(file)
    assert client.list(ListRequest()) is not None
    file.touch()
    for load in loads:
        load.join()


def test_only_root_and_its_group_may_connect(running):
    assert running.socket.stat().st_mode & 0o777 == 0o660
    assert running.socket.parent.stat().st_mode & 0o777 == 0o755


def _load_and_wait(service, file: Path) -> None:
    with service.client() as client:
        client.load(a_load(f"wait:{file}"))


def _appears(file: Path) -> None:
    waiting = Path(f"{file}.waiting")
    wait_until(waiting.exists, "a load has begun", timeout=30)


def _a_foreign_load(foreign, name="counter"):
    return foreign.LoadRequest(
        bytecode=foreign.BytecodeLocation(file="/path/seen/by/service"),
        metadata={"bpfman.io/ProgramName": "mine"},
        global_data={"x": b"\x01"},
        uuid="ignored",
        info=[foreign.LoadInfo(name=name, program_type=0)],
    )


def _failure(error: grpc.RpcError) -> Failure:
    (raw,) = [value for key, value in error.trailing_metadata() if key.endswith("details-bin")]
    (detail,) = status_pb2.Status.FromString(raw).details
    return Failure.FromString(detail.value)
