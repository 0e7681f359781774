"""A service to talk to, and the shared format as a client out there knows it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

from bpfman_core.rpc.client import Client
from bpfman_core.rpc.probe import available
from bpfman_core.testing.waiting import wait_until

HERE = Path(__file__).parent
DEADLINE = 30.0  # seconds


class Service:
    """A process that serves; `log` are its log lines so far, `journal` what else it did."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "run" / "bpfman.sock"
        self._journal = directory / "journal"
        self._log = directory / "log"
        self.process: subprocess.Popen[bytes]

    def start(self, *args: str, **popen: Any) -> Service:
        """Start it, and do not wait."""
        command = [sys.executable, str(HERE / "fake_service.py")]
        command += [str(self.socket), str(self._journal), *args]
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                [*popen.pop("prefix", ()), *command], stderr=log, **popen
            )
        return self

    def started(self, *args: str) -> Service:
        """Start it and wait until it answers."""
        self.start(*args)
        wait_until(lambda: available(self.socket), "the service listens", timeout=DEADLINE)
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit status, as soon as there is one."""
        return self.process.wait(DEADLINE)

    def client(self) -> Client:
        return Client(self.socket)

    @property
    def journal(self) -> list[str]:
        return self._journal.read_text().split() if self._journal.exists() else []

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        return [json.loads(line) if line.startswith("{") else {"event": line} for line in lines]

    def cleanup(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that the test starts."""
    found = Service(tmp_path)
    yield found
    found.cleanup()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that runs, for the whole module."""
    found = Service(tmp_path_factory.mktemp("service")).started()
    yield found
    found.cleanup()


class Foreign:
    """The messages of the shared format, made from clients.proto apart from our own."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet) -> None:
        pool = descriptor_pool.DescriptorPool()
        for file in files.file:
            pool.Add(file)
        self.file = pool.FindFileByName("clients.proto")

    def __getattr__(self, name: str) -> Any:
        return message_factory.GetMessageClass(self.file.message_types_by_name[name])

    def call(self, channel: grpc.Channel, method: str, request: Any) -> Any:
        """One call as a client out there makes it."""
        reply = getattr(self, f"{method}Response")
        ask = channel.unary_unary(
            f"/bpfman.v1.Bpfman/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return ask(request, timeout=DEADLINE)


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    out = tmp_path_factory.mktemp("proto") / "clients.bin"
    arguments = ["protoc", f"-I{HERE}", f"--descriptor_set_out={out}", "clients.proto"]
    assert protoc.main(arguments) == 0
    return Foreign(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()))


@pytest.fixture(scope="module")
def channel(running: Service) -> Iterator[grpc.Channel]:
    """A connection that grpcio made."""
    with grpc.insecure_channel(f"unix:{running.socket}") as connection:
        yield connection


@pytest.fixture
def client(running: Service) -> Iterator[Client]:
    with running.client() as connection:
        yield connection
