"""Debian's docker-registry on loopback, in four set-ups: open, basic, tls and token."""

from __future__ import annotations

import base64
import datetime
import json
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from bpfman_core.testing.features import requires
from bpfman_core.testing.waiting import wait_until

USER, PASSWORD = "alice", "s3cret"
REMOTE = "registry.example"  # a host that only a proxy knows
KINDS = ("open", "basic", "tls", "token")


@dataclass(frozen=True)
class Registry:
    """A running registry: `host` has the port, `config` is the table that bpfman needs for it."""

    host: str
    kind: str
    config: str
    ca: Path | None = None

    def reference(self, name: str) -> str:
        return f"{self.host}/{name}"

    @property
    def secret(self) -> str | None:
        """What --registry-auth takes, where credentials are needed."""
        if self.kind not in ("basic", "token"):
            return None
        return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def skopeo(self, side: str) -> list[str]:
        """Options of skopeo for this registry as the `src` or the `dest`."""
        if self.ca is not None:
            return [f"--{side}-cert-dir={self.ca.parent}"]
        words = [f"--{side}-tls-verify=false"]
        return words + ([f"--{side}-creds={USER}:{PASSWORD}"] if self.secret else [])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(kind: str, directory: Path) -> Iterator[Registry]:
    """A registry of one of KINDS with its files in `directory`."""
    requires("docker-registry")
    directory.mkdir(parents=True)
    host = f"127.0.0.1:{free_port()}"
    document: dict = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}},
        "http": {"addr": host},
    }
    registry = Registry(host, kind, "")
    with ExitStack() as stack:
        if kind == "basic":
            document["auth"] = {"htpasswd": {"realm": "tests", "path": _htpasswd(directory)}}
        if kind == "tls":
            ca = authority(directory)
            pair = {"certificate": directory / "server.pem", "key": directory / "server.key"}
            document["http"]["tls"] = {name: str(path) for name, path in pair.items()}
            registry = Registry(host, kind, f'[registries."{host}"]\nca = "{ca}"\n', ca)
        if kind == "token":
            document["auth"] = {"token": stack.enter_context(_token_server(directory))}
        (directory / "config.json").write_text(json.dumps(document))  # JSON is YAML too
        process = stack.enter_context(_process(directory))
        wait_until(lambda: _listens(host, process), "the registry listens", timeout=20)
        yield registry


@contextmanager
def _process(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = ["docker-registry", "serve", directory / "config.json"]
    with open(directory / "log", "wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def _listens(host: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    name, _, port = host.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((name, int(port))) == 0


def _htpasswd(directory: Path) -> str:
    requires("htpasswd")
    line = subprocess.check_output(["htpasswd", "-Bbn", "-C", "4", USER, PASSWORD])
    (directory / "htpasswd").write_bytes(line)
    return str(directory / "htpasswd")


def _pem(key) -> bytes:
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, none)


def certificate(name: str, key, issuer_name: str, issuer_key, extensions) -> x509.Certificate:
    """A certificate that is good for a day, of our own authority."""
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def authority(directory: Path) -> Path:
    """Writes server.pem and server.key for loopback and REMOTE; gives their authority's file."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    is_ca = [(x509.BasicConstraints(ca=True, path_length=0), True)]
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    root = certificate("tests", ca_key, "tests", ca_key, [*is_ca, (ca_id, False)])
    hosts = [x509.DNSName("localhost"), x509.DNSName(REMOTE)]
    names = [*hosts, x509.IPAddress(ip_address("127.0.0.1"))]
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id)
    mine = [(x509.SubjectAlternativeName(names), False), (by, False)]
    server = certificate("server", key, "tests", ca_key, mine)
    pem = serialization.Encoding.PEM
    (directory / "server.pem").write_bytes(server.public_bytes(pem))
    (directory / "server.key").write_bytes(_pem(key))
    trusted = directory / "trusted"
    trusted.mkdir()
    (trusted / "ca.crt").write_bytes(root.public_bytes(pem))
    return trusted / "ca.crt"


@contextmanager
def _token_server(directory: Path) -> Iterator[dict]:
    """A token server that lets anybody pull from public/, and alice do everything."""
    key = rsa.generate_private_key(65537, 2048)
    signer = certificate("token", key, "token", key, [])
    (directory / "token.pem").write_bytes(signer.public_bytes(serialization.Encoding.PEM))
    chain = base64.b64encode(signer.public_bytes(serialization.Encoding.DER)).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization")
            known = given == f"Basic {_b64(f'{USER}:{PASSWORD}'.encode(), url=False)}"
            if given and not known:
                self.send_error(401)
                return
            query = parse_qs(urlsplit(self.path).query)
            token = _token(key, chain, query, known)
            body = json.dumps({"token": token, "expires_in": 300}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as host:
        yield {
            "realm": f"http://{host}/token",
            "service": "tests",
            "issuer": "tests",
            "rootcertbundle": str(directory / "token.pem"),
        }


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler], tls: Path | None = None) -> Iterator[str]:
    """An HTTP server on loopback for the length of the block; gives its host and port.

    With `tls`, a directory that `authority` wrote to, it is one of https.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "server.pem", tls / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _token(key, chain: str, query: dict[str, list[str]], known: bool) -> str:
    access = []
    for scope in query.get("scope", []):
        kind, name, actions = scope.split(":")
        allowed = [
            action
            for action in actions.split(",")
            if known or (action == "pull" and name.startswith("public/"))
        ]
        access.append({"type": kind, "name": name, "actions": allowed})
    now = int(time.time())
    claims = {
        "iss": "tests",
        "sub": USER if known else "",
        "aud": query["service"][0],
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "access": access,
    }
    header = {"typ": "JWT", "alg": "RS256", "x5c": [chain]}
    signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_b64(signature)}"


def _b64(data: bytes, *, url: bool = True) -> str:
    if url:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return base64.b64encode(data).decode()
