"""How the service starts, ends, and passes its socket on."""

import contextlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

from bpfman_core.api import FileSource, ListRequest, LoadRequest, ProgramRequest
from bpfman_core.errors import ServiceError
from bpfman_core.rpc.client import Client
from bpfman_core.rpc.probe import available
from bpfman_core.testing.waiting import wait_until

TIMEOUT = 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_unloads_and_removes_the_socket(service, number):
    service.started().signal(number)
    assert service.ended() == 0
    assert service.journal == ["prepared", "unloaded", "ended"]
    assert not service.socket.exists()


def test_a_stop_can_leave_the_programs(service):
    service.started("--keep").signal(signal.SIGTERM)
    assert service.ended() == 0
    assert service.journal == ["prepared", "ended"]


def test_a_stop_lets_requests_finish(service, tmp_path):
    service.started()
    file = tmp_path / "go"
    replies = []
    load = threading.Thread(target=_load, args=(service, file, replies))
    load.start()
    wait_until((tmp_path / "go.waiting").exists, "the load has begun", timeout=TIMEOUT)
    service.signal(signal.SIGTERM)
    wait_until(lambda: "ending: told to stop" in _events(service), "it is told", timeout=TIMEOUT)
    assert "unloaded" not in service.journal
    file.touch()
    load.join()
    assert [view.spec.name for view in replies] == [f"wait:{file}"]
    assert service.ended() == 0


def test_a_second_interrupt_ends_it_at_once(service, tmp_path):
    service.started()
    load = threading.Thread(target=_load, args=(service, tmp_path / "never", []))
    load.start()
    wait_until((tmp_path / "never.waiting").exists, "the load has begun", timeout=TIMEOUT)
    service.signal(signal.SIGINT)
    wait_until(lambda: "ending: told to stop" in _events(service), "it is told", timeout=TIMEOUT)
    service.signal(signal.SIGINT)
    assert service.ended() == 130
    load.join()
    assert service.journal == ["prepared"]


def test_idle_ends_it_and_never_unloads(service):
    service.started("--idle", "0.2")
    assert service.ended() == 0
    assert service.journal == ["prepared", "ended"]


def test_a_running_request_is_not_idle(service, tmp_path):
    service.started("--idle", "1.5")  # long enough for a busy machine to send the request
    file = tmp_path / "go"
    replies = []
    load = threading.Thread(target=_load, args=(service, file, replies))
    load.start()
    wait_until((tmp_path / "go.waiting").exists, "the load has begun", timeout=TIMEOUT)
    with pytest.raises(subprocess.TimeoutExpired):
        service.process.wait(2)
    file.touch()
    load.join()
    assert replies
    assert service.ended() == 0


def test_a_second_service_is_refused(service):
    service.started()
    second = subprocess.run(service.process.args, capture_output=True, text=True, timeout=TIMEOUT)
    assert second.returncode == 1
    assert "a service listens at" in second.stderr
    assert service.journal == ["prepared"]
    with service.client() as client:
        assert client.version()


def test_a_dead_service_leaves_a_socket_that_is_replaced(service):
    service.started().process.kill()
    service.ended()
    assert service.socket.exists()
    assert not available(service.socket)
    service.started()
    with service.client() as client:
        assert client.version()


def test_a_file_that_is_no_socket_is_left_alone(service):
    service.socket.parent.mkdir()
    service.socket.write_text("mine")
    assert service.start().ended() == 1
    assert service.socket.read_text() == "mine"


def test_a_socket_of_another_service_is_not_removed(service):
    service.started()
    service.socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(service.socket))
        service.signal(signal.SIGTERM)
        assert service.ended() == 0
        assert service.socket.exists()


def test_a_reload_keeps_the_socket_and_refuses_nobody(service):
    service.started()
    inode, number = service.socket.stat().st_ino, service.process.pid
    service.signal(signal.SIGHUP)

    def began_anew():
        assert available(service.socket)
        return service.journal.count("prepared") == 2

    wait_until(began_anew, "it began anew", timeout=TIMEOUT)
    with service.client() as client:
        assert client.list(ListRequest()) == ()
    assert service.socket.stat().st_ino == inode
    assert service.process.poll() is None
    assert service.process.pid == number
    service.signal(signal.SIGTERM)
    assert service.ended() == 0
    assert service.journal == ["prepared", "prepared", "unloaded", "ended"]
    assert not service.socket.exists()


def test_a_connection_made_during_a_reload_is_answered_after_it(service, tmp_path):
    service.started()
    file = tmp_path / "go"
    load = threading.Thread(target=_load, args=(service, file, []))
    load.start()
    wait_until((tmp_path / "go.waiting").exists, "the load has begun", timeout=TIMEOUT)
    service.signal(signal.SIGHUP)
    wait_until(
        lambda: "ending: told to execute itself anew" in _events(service),
        "it is told",
        timeout=TIMEOUT,
    )
    versions = []
    asking = threading.Thread(target=lambda: versions.append(_version(service)))
    asking.start()
    file.touch()
    load.join()
    asking.join()
    assert versions == ["0.1.0"]


def test_a_passed_socket_is_used_and_left(service):
    service.socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(service.socket))
        passed.listen()
        _activated(service, passed, "--idle", "0.2")
        with Client(service.socket) as client:
            assert client.version() == "0.1.0"
        assert service.ended() == 0
        assert service.socket.exists()
    assert service.journal == ["prepared", "ended"]


def test_a_passed_socket_survives_a_reload(service):
    service.socket.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as passed:
        passed.bind(str(service.socket))
        passed.listen()
        _activated(service, passed)
        wait_until(lambda: "listening" in _events(service), "it listens", timeout=TIMEOUT)
        service.signal(signal.SIGHUP)
        wait_until(lambda: service.journal.count("prepared") == 2, "it began anew", timeout=TIMEOUT)
        with Client(service.socket) as client:
            assert client.version() == "0.1.0"
        service.signal(signal.SIGTERM)
        assert service.ended() == 0
        assert service.socket.exists()


def test_systemd_is_told(service, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(TIMEOUT)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        service.start()
        assert systemd.recv(100) == b"READY=1"
        assert service.journal == ["prepared"]
        service.signal(signal.SIGHUP)
        assert systemd.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(100) == b"READY=1"
        service.signal(signal.SIGTERM)
        assert systemd.recv(100) == b"STOPPING=1"
        assert service.ended() == 0


def test_an_interrupted_client_takes_its_request_back(service, tmp_path):
    service.started()
    file = tmp_path / "go"
    asking = (
        "import sys; from pathlib import Path\n"
        "from bpfman_core.api import *\n"
        "from bpfman_core.rpc.client import Client\n"
        f"with Client(Path({str(service.socket)!r})) as client:\n"
        "    client.load(LoadRequest(FileSource('/o', b''), "
        f"(ProgramRequest('wait:{file}', 'xdp'),)))\n"
    )
    heeding = ("env", "--default-signal=INT")  # what runs in the background may ignore it
    command = [*heeding, sys.executable, "-c", asking]
    client = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "go.waiting").exists, "the load has begun", timeout=TIMEOUT)
    client.send_signal(signal.SIGINT)
    _, errors = client.communicate(timeout=TIMEOUT)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert "never awaited" not in errors
    assert "was destroyed" not in errors
    file.touch()
    with service.client() as other:
        wait_until(lambda: other.list(ListRequest()), "the load has ended", timeout=TIMEOUT)


_PASS = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def _activated(service, passed, *args):
    """Start the service as systemd does: a listening socket as descriptor 3, and its own id."""
    number = passed.fileno()
    prefix = [sys.executable, "-c", _PASS, str(number)]
    service.start(*args, prefix=prefix, pass_fds=(number,))


def _events(service):
    return [line["event"] for line in service.log]


def _load(service, file, replies):
    request = LoadRequest(FileSource("/o", b""), (ProgramRequest(f"wait:{file}", "xdp"),))
    with service.client() as client, contextlib.suppress(ServiceError):
        replies += client.load(request)


def _version(service):
    with service.client() as client:
        return client.version()
