"""A registry that holds one image, and answers at single paths whatever a test wants."""

from __future__ import annotations

import io
import json
import socket
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler

from bpfman_core.image.build import Built
from bpfman_core.image.descriptor import CONFIG, INDEX, LAYER, MANIFEST, Descriptor
from bpfman_core.image.manifest import host_platform
from tests.image.registries import serving

NAME = "team/pass"
TAG = f"/v2/{NAME}/manifests/1"
PATIENCE = 4.0  # seconds that anything slow may take
_PIECE = 64 << 10  # bytes
_MOST = 64 << 20  # bytes that an endless answer has in truth


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    authorization: str | None


class Hostile:
    """`answers` are by path, and go before what the image says; `sent` counts bytes of bodies.

    Who asks for an image without Authorization gets the `challenge`, if there is one.
    """

    def __init__(self) -> None:
        self.host = ""
        self.answers: dict[str, Answer] = {}
        self.seen: list[Seen] = []
        self.sent = 0
        self.challenge = ""
        self._image: dict[str, Answer] = {}
        self._deadline = 0.0

    def hold(self, image: Built) -> None:
        """Serve this image and nothing else from now on."""
        self.answers.clear()
        self._image = {TAG: reply(image.blobs[image.top.digest], kind=image.top.media_type)}
        for digest, data in image.blobs.items():
            kind = INDEX if b'"manifests"' in data else MANIFEST
            self._image[f"/v2/{NAME}/manifests/{digest}"] = reply(data, kind=kind)
            self._image[f"/v2/{NAME}/blobs/{digest}"] = reply(data)

    def count(self, path: str) -> int:
        return sum(one.path == path for one in self.seen)

    @property
    def authorizations(self) -> set[str | None]:
        return {one.authorization for one in self.seen}

    def answer(self, asked: Asked) -> None:
        path = asked.path.partition("?")[0]
        given = asked.headers.get("Authorization")
        self.seen.append(Seen(asked.command, path, given))
        asked.rfile.read(int(asked.headers.get("Content-Length", 0)))
        found = self.answers.get(path) or self._image.get(path) or reply(b"", 404)
        if self.challenge and given is None and path.startswith("/v2/"):
            found = reply(b"", 401, WWW_Authenticate=self.challenge)
        with suppress(ConnectionError):
            found(asked)

    def goes_on(self) -> bool:
        """Whether endless answers have an end: a little after the test's patience has."""
        if not self._deadline:
            self._deadline = time.monotonic() + PATIENCE + 0.2
        return time.monotonic() < self._deadline and self.sent < _MOST


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hostile: Hostile

    def do_GET(self) -> None:
        self.hostile.answer(self)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def send(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE):
            self.wfile.write(data[at : at + _PIECE])
            self.hostile.sent += len(data[at : at + _PIECE])

    def log_message(self, *_: object) -> None:
        pass


Answer = Callable[[Asked], None]


@contextmanager
def hostile_registry() -> Iterator[Hostile]:
    hostile = Hostile()
    with serving(type("Handler", (Asked,), {"hostile": hostile})) as hostile.host:
        yield hostile
        hostile._deadline = 1.0  # over


# ---- answers


def reply(data: bytes = b"", status: int = 200, *, kind: str = "", **headers: object) -> Answer:
    """An honest one, unless `headers` say otherwise."""

    def answer(asked: Asked) -> None:
        fields = {"Content_Type": kind or None, "Content_Length": len(data), **headers}
        asked.send_response(status)
        for name, value in fields.items():
            if value is not None:
                asked.send_header(name.replace("_", "-"), str(value))
        asked.end_headers()
        asked.send(b"" if asked.command == "HEAD" else data)
        asked.close_connection = int(str(fields["Content_Length"])) != len(data)

    return answer


def moved(place):
    return reply(status=307, Location=place)


def endless(head: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    def answer(asked: Asked) -> None:
        asked.close_connection = True
        asked.wfile.write(head)
        while asked.hostile.goes_on():
            asked.send(piece)
            time.sleep(pause)

    return answer


def raw(data: bytes) -> Answer:
    def answer(asked: Asked) -> None:
        asked.close_connection = True
        asked.wfile.write(data)

    return answer


def reset(asked: Asked) -> None:
    asked.close_connection = True
    asked.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked.connection.close()


def in_turn(*answers: Answer) -> Answer:
    """One after the other; the last one goes on."""
    left = list(answers)

    def answer(asked: Asked) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(asked)

    return answer


NOWHERE = "http://[::1/"
HOSTILE_TEXT = "x\n\x1b[2J\ud800"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"10000\r\n%b\r\n" % bytes(0x10000)
ENDLESS = endless(CHUNKED, CHUNK)
SLOW = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", 0.05)
NEVER = endless(b"", b"", 0.05)
GARBAGE = raw(b"this is not HTTP\r\n\r\n")
BINARY = raw(b"\x15\x03\x01\x00\x02\x02\x46\r\n")
LONG = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", bytes(_PIECE))
SLOW_HEADERS = endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", 0.05)
CONTINUES = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)
TRAILERS = endless(CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: x\r\n", 0.05)


# ---- images


def forged(*layers: bytes, labels: object = None, config: object = None, **fields: object) -> Built:
    """A manifest alone; `fields` replace its own, `config` (JSON or bytes) its config."""
    system, _, architecture = host_platform().partition("/")
    if config is None:
        config = {"os": system, "architecture": architecture, "config": {"Labels": labels}}
    inner = config if isinstance(config, bytes) else json.dumps(config).encode()
    pointed = Descriptor.of(CONFIG, inner)
    rows = [Descriptor.of(LAYER, layer) for layer in layers]
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": pointed.as_json(),
        "layers": [row.as_json() for row in rows],
        **fields,
    }
    built = document_only(value, MANIFEST)
    blobs = dict(zip((row.digest for row in rows), layers, strict=True))
    return Built(built.top, {**built.blobs, **blobs, pointed.digest: inner})


def tar_layer(*members) -> bytes:
    """A packed layer of members: name, content and, unless regular, the type."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if kind:
                member.type, member.linkname = kind[0], "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def document_only(value: object, kind: str) -> Built:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    top = Descriptor.of(kind, data)
    return Built(top, {top.digest: data})


def index_of(*rows: object) -> Built:
    return document_only({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*rows]}, INDEX)
