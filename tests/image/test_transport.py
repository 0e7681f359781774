"""Secrets and requests take the way that they should, through real sockets, and no other."""

from __future__ import annotations

import base64
import gc
import json
import logging
import re
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from select import select
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from bpfman_core.api import ImageSource
from bpfman_core.errors import BpfmanError, Denied, NotFound, RegistryError, Unreachable
from bpfman_core.image.descriptor import LAYER, Descriptor
from bpfman_core.image.manifest import resolve
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.hostile import (
    BINARY,
    GARBAGE,
    NAME,
    NEVER,
    PATIENCE,
    SLOW_HEADERS,
    TAG,
    Answer,
    Asked,
    Hostile,
    Seen,
    in_turn,
    reply,
    reset,
)
from tests.image.registries import KINDS, PASSWORD, REMOTE, USER, authority, free_port, serving

ALICE = {"username": USER, "password": PASSWORD}
BASIC = Credentials(**ALICE).basic()
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for name in (*PROXIES, *BUNDLES, "no_proxy", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bpfman_core.image.remote.exchange._BACKOFF", 0.02)


class Connecting(Asked):
    """Asked as a proxy is, too, and by those that leave without a word of TLS."""

    def do_GET(self) -> None:  # noqa: N802
        with suppress(ssl.SSLError):
            super().do_GET()

    do_HEAD = do_CONNECT = do_GET  # noqa: N815


@contextmanager
def started(tls: Path | None = None) -> Iterator[Hostile]:
    found = Hostile()
    with serving(type("Handler", (Connecting,), {"hostile": found}), tls) as found.host:
        yield found


@pytest.fixture
def plain():
    with started() as found:
        yield found


@pytest.fixture
def proxy():
    with started() as found:
        yield found


@pytest.fixture
def authorities(tmp_path):
    """The file of the authority of `secure`."""
    directory = tmp_path / "tls"
    directory.mkdir()
    return authority(directory)


@pytest.fixture
def secure(authorities):
    """A registry with TLS."""
    with started(authorities.parents[1]) as found:
        yield found


@pytest.fixture
def good(built):
    return built()


@pytest.fixture
def layer(good):
    """The packed layer of the good image."""
    return good.blobs[resolve(good.top, lambda one, _: good.blobs[one.digest]).layers[0].digest]


@pytest.fixture
def layer_path(layer):
    return f"/v2/{NAME}/blobs/{Descriptor.of(LAYER, layer).digest}"


@pytest.fixture
def pull(configured):
    def made(host: str, config: str = "", *, timeout: float = 0.3, **source: str):
        settings = configured(f'[registries."{host}"]\ntimeout = {timeout}\n{config}')
        return find(ImageSource(f"{host}/{NAME}:1", PullPolicy.ALWAYS, **source), settings)

    return made


def moved(place: str) -> Answer:
    return reply(status=307, Location=place)


class Tunnel:
    """Connects to this host, whichever was asked for; keeps what it was shown."""

    def __init__(self, host: str) -> None:
        self.host, self.heads, self.passed = host, [], b""

    def __call__(self, asked: Asked) -> None:
        self.heads.append(dict(asked.headers))
        asked.close_connection = True
        name, _, port = self.host.partition(":")
        with socket.create_connection((name, int(port))) as there:
            asked.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = {there: asked.connection, asked.connection: there}
            while True:
                for one in select([*other], [], [])[0]:
                    piece = one.recv(1 << 16)
                    if not piece:
                        return
                    self.passed += piece
                    other[one].sendall(piece)


@dataclass(frozen=True)
class Refusal:
    kind: type[BaseException]
    said: str
    told: str
    """All that may be told of it."""


def refusal(action: Callable[[], object]) -> Refusal:
    """The error of an action; what a traceback holds open shows here, not in a later test."""
    try:
        action()
    except BpfmanError as error:
        told = "".join([repr(error), *traceback.format_exception(error)])
        found = Refusal(type(error), str(error), told)
    gc.collect()
    return found


# ---- TLS


@pytest.mark.parametrize(
    ("what", "way"), [("manifest", "at once"), ("blob", "at once"), ("blob", "in two steps")]
)
def test_no_redirect_from_https_to_http(
    secure, plain, authorities, good, layer_path, pull, what, way
):
    secure.hold(good)
    config = f'ca = "{authorities}"'
    path = TAG if what == "manifest" else layer_path
    secure.answers[path] = moved(f"http://{plain.host}{path}")
    if way == "in two steps":
        secure.answers["/step"] = secure.answers[path]
        secure.answers[path] = moved(f"https://{secure.host}/step")
    with pytest.raises(RegistryError, match=r"redirects to http://127\.0\.0\.1, which is not safe"):
        pull(secure.host, config)
    assert secure.count(path) == 1
    assert plain.seen == []
    secure.hold(good)
    assert pull(secure.host, config).digest == good.top.digest


def test_no_token_server_without_tls(secure, plain, authorities, good, pull):
    secure.hold(good)
    secure.challenge = f'Bearer realm="http://{plain.host}/token"'
    for source in ({}, ALICE):
        with pytest.raises(Denied, match="a token server that is asked without protection"):
            pull(secure.host, f'ca = "{authorities}"', **source)
    assert plain.seen == []


@pytest.mark.parametrize("system", ["with", "without"])
@pytest.mark.parametrize("name", BUNDLES)
def test_authorities_of_other_programs_do_not_count(
    registries, configured, monkeypatch, tmp_path, name, system
):
    """The system may have authorities of its own or not."""
    registry = registries("tls")
    if system == "without":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv(name, str(registry.ca))
    assert requests.get(f"https://{registry.host}/v2/", timeout=5).ok
    settings = configured(f'[registries."{registry.host}"]\ninsecure = false\n')
    with pytest.raises(RegistryError, match="TLS failed"):
        find(ImageSource(registry.reference("team/pass:1")), settings)


# ---- proxies


@pytest.mark.parametrize(("name", "asked"), [(REMOTE, f"{REMOTE}:443"), (f"{REMOTE}:5000",) * 2])
def test_a_tunnel_to_a_real_registry(
    registries, pushed, configured, proxy, monkeypatch, name, asked
):
    registry = registries("tls")
    digest = pushed(registry, f"{NAME}:1")
    proxy.answers[asked] = Tunnel(registry.host)
    monkeypatch.setenv("https_proxy", f"http://{proxy.host}")
    settings = configured(f'[registries."{name}"]\nca = "{registry.ca}"\n')
    found = find(ImageSource(f"{name}/{NAME}:1", **ALICE), settings)
    assert (found.digest, found.source) == (digest, f"registry:{name}")
    assert set(proxy.seen) == {Seen("CONNECT", asked, None)}


def test_a_proxy_sees_no_credentials_but_its_own(
    secure, authorities, good, pull, proxy, monkeypatch
):
    secure.hold(good)
    secure.challenge = "Basic"
    tunnel = proxy.answers[f"{REMOTE}:443"] = Tunnel(secure.host)
    monkeypatch.setenv("https_proxy", f"http://guest:pr0xy@{proxy.host}")
    assert pull(REMOTE, f'ca = "{authorities}"', **ALICE).digest == good.top.digest
    assert secure.authorizations == {None, BASIC}
    assert set(proxy.seen) == {Seen("CONNECT", f"{REMOTE}:443", None)}
    own = Credentials("guest", "pr0xy").basic()
    assert {one["Proxy-Authorization"] for one in tunnel.heads} == {own}
    assert BASIC not in str(tunnel.heads)
    assert len(tunnel.passed) > 1000
    assert BASIC.encode() not in tunnel.passed
    assert NAME.encode() not in tunnel.passed


def test_a_tunnel_to_somebody_else(registries, pull, proxy, authorities, monkeypatch):
    proxy.answers[f"{REMOTE}:443"] = Tunnel(registries("tls").host)
    monkeypatch.setenv("https_proxy", f"http://{proxy.host}")
    with pytest.raises(RegistryError, match=r"TLS failed: .*certificate"):
        pull(REMOTE, f'ca = "{authorities}"', **ALICE)


@pytest.mark.parametrize("way", ["direct", "tunnel"])
def test_time_limits_hold_within_tls(
    secure, authorities, good, pull, proxy, layer_path, monkeypatch, way
):
    secure.hold(good)
    secure.answers[layer_path] = SLOW_HEADERS
    proxy.answers[f"{REMOTE}:443"] = Tunnel(secure.host)
    monkeypatch.setenv("https_proxy", f"http://{proxy.host}")
    host = REMOTE if way == "tunnel" else secure.host
    start = time.monotonic()
    found = refusal(lambda: pull(host, f'ca = "{authorities}"'))
    assert time.monotonic() - start < PATIENCE
    assert issubclass(found.kind, RegistryError)
    assert f"{host} did not answer within 0.3 s" in found.said


# a socket whose tunnel is cut within its headers is left open, until it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(
            reply(b"", 407, Proxy_Authenticate="Basic"),
            "407 Proxy Authentication Required",
            id="407",
        ),
        pytest.param(NEVER, "did not answer within", id="never"),
        pytest.param(SLOW_HEADERS, "did not answer within", id="slow headers"),
        pytest.param(reset, "connection broke: Connection reset", id="reset"),
        pytest.param(GARBAGE, "connection broke", id="garbage"),
        pytest.param(BINARY, "connection broke", id="binary"),
    ],
)
def test_a_proxy_that_makes_no_tunnel(pull, proxy, monkeypatch, answer, text):
    proxy.answers[f"{REMOTE}:443"] = answer
    monkeypatch.setenv("https_proxy", f"http://guest:pr0xy@{proxy.host}")
    start = time.monotonic()
    found = refusal(lambda: pull(REMOTE, timeout=0.1))
    assert time.monotonic() - start < PATIENCE
    assert issubclass(found.kind, RegistryError)
    assert re.search(text, found.said)
    assert REMOTE in found.said
    assert found.said.isprintable()
    assert "pr0xy" not in found.told
    assert set(proxy.seen) == {Seen("CONNECT", f"{REMOTE}:443", None)}
    assert len(proxy.seen) <= 3


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        *((kind, "127.0.0.1") for kind in KINDS),
        *((kind, "localhost") for kind in KINDS if kind != "token"),
    ],
)
def test_this_machine_is_asked_through_no_proxy(
    registries, pushed, configured, proxy, monkeypatch, kind, host
):
    registry = registries(kind)
    digest = pushed(registry, f"{NAME}:1")
    url = registry.reference(f"{NAME}:1").replace("127.0.0.1", host)
    remote = f'[registries."{REMOTE}"]\ninsecure = true\n'
    settings = configured(registry.config.replace("127.0.0.1", host) + remote)
    for variable in PROXIES:
        monkeypatch.setenv(variable, f"http://{proxy.host}")
    if registry.secret:
        with pytest.raises(Denied, match="wants credentials"):
            find(ImageSource(url), settings)
    assert find(ImageSource(url, PullPolicy.ALWAYS, **ALICE), settings).digest == digest
    assert proxy.seen == []
    with pytest.raises(NotFound):
        find(ImageSource(f"{REMOTE}/{NAME}:1"), settings)
    assert proxy.seen != []


# ---- credentials


def test_netrc_is_not_read(registries, pushed, configured, nobody_at_home):
    registry = registries("basic")
    pushed(registry, f"{NAME}:1")
    netrc = nobody_at_home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    assert requests.get(f"http://{registry.host}/v2/", timeout=5).ok
    with pytest.raises(Denied, match="wants credentials"):
        find(ImageSource(registry.reference(f"{NAME}:1")), configured())


class Tokens:
    """A token server that gives another token each time: t1, t2 and so on."""

    def __init__(self, place: Hostile) -> None:
        self.place, self.queries = place, []
        self._numbers = count(1)
        place.answers["/token"] = self._give

    @property
    def challenge(self) -> str:
        return f'Bearer realm="http://{self.place.host}/token",service="tests"'

    def _give(self, asked: Asked) -> None:
        self.queries.append(parse_qs(urlsplit(asked.path).query))
        reply(b'{"token":"t%d"}' % next(self._numbers))(asked)


@pytest.fixture
def tokens(plain):
    return Tokens(plain)


@pytest.fixture
def registry(good, tokens):
    """One that wants tokens of `tokens`."""
    with started() as found:
        found.hold(good)
        found.challenge = tokens.challenge
        yield found


def given(registry: Hostile, path: str) -> list[str | None]:
    return [one.authorization for one in registry.seen if one.path == path]


def test_a_password_is_for_the_token_server_alone(registry, tokens, good, pull):
    assert pull(registry.host, **ALICE).digest == good.top.digest
    assert registry.authorizations == {None, "Bearer t1"}
    assert tokens.place.authorizations == {BASIC}
    assert tokens.queries == [{"scope": [f"repository:{NAME}:pull"], "service": ["tests"]}]


def test_a_token_does_not_follow_a_layer_elsewhere(registry, tokens, good, layer, layer_path, pull):
    registry.answers[layer_path] = moved(f"http://{tokens.place.host}/x")
    tokens.place.answers["/x"] = reply(layer)
    assert pull(registry.host, **ALICE).digest == good.top.digest
    assert given(tokens.place, "/x") == [None]


def test_a_token_that_expires_before_the_layer(registry, tokens, good, layer, layer_path, pull):
    expired = reply(b"", 401, WWW_Authenticate=tokens.challenge)
    registry.answers[layer_path] = in_turn(expired, reply(layer))
    assert pull(registry.host, **ALICE).digest == good.top.digest
    assert given(registry, layer_path) == ["Bearer t1", "Bearer t2"]
    assert len(tokens.queries) == 2
    assert tokens.place.authorizations == {BASIC}
    at = next(n for n, one in enumerate(registry.seen) if one.authorization == "Bearer t2")
    assert {one.authorization for one in registry.seen[at:]} == {"Bearer t2"}


def test_a_token_that_expires_within_the_layer(registry, tokens, good, layer, layer_path, pull):
    half = len(layer) // 2
    where = f"bytes {half}-{len(layer) - 1}/{len(layer)}"
    registry.answers[layer_path] = in_turn(
        reply(layer[:half], Content_Length=len(layer)),
        reply(b"", 401, WWW_Authenticate=tokens.challenge),
        reply(layer[half:], 206, Content_Range=where),
    )
    assert pull(registry.host, **ALICE).digest == good.top.digest
    assert given(registry, layer_path) == ["Bearer t1", "Bearer t1", "Bearer t2"]


@pytest.mark.parametrize("what", ["manifest", "layer"])
@pytest.mark.parametrize("source", [ALICE, {}], ids=["alice", "anybody"])
def test_tokens_that_are_never_accepted(registry, tokens, layer_path, pull, what, source):
    path = TAG if what == "manifest" else layer_path
    registry.answers[path] = reply(b"", 401, WWW_Authenticate=tokens.challenge)
    with pytest.raises(Denied, match="does not accept the" if source else "wants credentials"):
        pull(registry.host, **source)
    assert registry.count(path) == 2
    assert len(tokens.queries) <= 2


def test_a_password_that_is_never_accepted(registry, layer_path, pull):
    registry.challenge = "Basic"
    registry.answers[layer_path] = reply(b"", 401, WWW_Authenticate="Basic")
    with pytest.raises(Denied, match="does not accept the credentials"):
        pull(registry.host, **ALICE)
    assert given(registry, layer_path) == [BASIC]


# ---- nothing that is secret is told


@pytest.fixture
def told(caplog, capfd, tmp_path) -> Callable[..., None]:
    """Checks that secrets are not in logs, output, files of the cache, or what is given `also`."""
    caplog.set_level(logging.DEBUG)
    for name in [*logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, name)

    def check(*secrets: str, also: str) -> None:
        assert "urllib3.connectionpool" in {one.name for one in caplog.records}
        files = [one for one in (tmp_path / "cache").rglob("*") if one.is_file()]
        assert files
        logged = [*caplog.messages, *(str(vars(one)) for one in caplog.records)]
        texts = [*logged, *capfd.readouterr(), also, *map(str, files)]
        everything = [one.encode() for one in texts] + [one.read_bytes() for one in files]
        for secret in secrets:
            assert not [one for one in everything if secret.encode() in one]

    return check


def forms(user: str, password: str) -> tuple[str, ...]:
    """In which a password may be told."""
    pair = f"{user}:{password}".encode()
    return (password, base64.b64encode(pair).decode(), base64.urlsafe_b64encode(pair).decode())


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_real_pull_tells_no_secret(registries, pushed, configured, told, cache, kind):
    registry = registries(kind)
    pushed(registry, f"{NAME}:1")
    url, settings = registry.reference(f"{NAME}:1"), configured()
    wrong = PASSWORD[::-1]
    found = refusal(lambda: find(ImageSource(url, username=USER, password=wrong), settings))
    assert found.kind is Denied
    find(ImageSource(url, **ALICE), settings)
    assert cache.images()
    told(*forms(USER, PASSWORD), *forms(USER, wrong), "Bearer ey", also=found.told)


# what asked for a layer is left open where that fails, until it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_pull_tells_no_secret_whatever_happens(
    registry, plain, pull, layer_path, cache, told, scheme
):
    token = "t0ken-0f-alice"
    plain.answers["/token"] = reply(b'{"token":"%b"}' % token.encode())
    if scheme == "basic":
        registry.challenge = "Basic"
    also = ""
    for answer in (reply(b"", 401), reply(b"", 500), moved("http://[::1/"), reset, GARBAGE):
        registry.answers[layer_path] = answer
        also += refusal(lambda: pull(registry.host, **ALICE)).told
    del registry.answers[layer_path]
    pull(registry.host, **ALICE)
    assert cache.images()
    assert registry.authorizations == {None, BASIC if scheme == "basic" else f"Bearer {token}"}
    told(*forms(USER, PASSWORD), token, also=also)


def test_credentials_do_not_show_their_password():
    alice = Credentials(**ALICE)
    shown = f"{alice!r} {alice} {ImageSource('x', **ALICE)!r} {ImageSource('x', **ALICE)}"
    assert not [one for one in forms(USER, PASSWORD) if one in shown]


@pytest.mark.parametrize(
    "proxy_url",
    [
        "http://guest:pr0xy@127.0.0.1:99999",
        "http://guest:pr0xy#@127.0.0.1:9",
        "http://guest:pr0xy@",
        "http://guest:pr0xy@[::1",
        "guest:pr0xy@127.0.0.1:1",
        "ftp://guest:pr0xy@127.0.0.1:1",
    ],
)
def test_a_proxy_that_is_none(pull, monkeypatch, proxy_url):
    monkeypatch.setenv("https_proxy", proxy_url)
    found = refusal(lambda: pull(REMOTE))
    assert issubclass(found.kind, BpfmanError)
    assert "proxy" in found.said.lower()
    assert "pr0xy" not in found.told


def test_a_proxy_that_is_not_there(pull, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://guest:pr0xy@127.0.0.1:{free_port()}")
    found = refusal(lambda: pull(REMOTE))
    assert found.kind is Unreachable
    assert f"cannot reach {REMOTE} through the proxy: Connection refused" in found.said
    assert "pr0xy" not in found.told


# a socket whose tunnel is cut within its headers is left open, until it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("at", ["proxy", "registry"])
def test_time_limits_hold_behind_a_proxy_with_tls(secure, authorities, pull, monkeypatch, at):
    with started(authorities.parents[1]) as proxy:
        secure.answers[TAG] = SLOW_HEADERS
        proxy.answers[f"{REMOTE}:443"] = SLOW_HEADERS if at == "proxy" else Tunnel(secure.host)
        monkeypatch.setenv("https_proxy", f"https://{proxy.host}")
        start = time.monotonic()
        found = refusal(lambda: pull(REMOTE, f'ca = "{authorities}"'))
        assert time.monotonic() - start < PATIENCE
    assert issubclass(found.kind, RegistryError)
    assert re.search("did not answer|connection broke|TLS failed", found.said)


# ---- what is said


def test_a_registry_that_repeats_what_it_was_told(plain, pull):
    def echo(asked) -> None:
        told = f"{asked.headers['Authorization']} {PASSWORD}"
        reply(json.dumps({"errors": [{"message": told}]}).encode(), 403)(asked)

    plain.challenge = "Basic"
    plain.answers[TAG] = echo
    found = refusal(lambda: pull(plain.host, **ALICE))
    assert "(Basic *** ***)" in found.said
    assert PASSWORD not in found.told
    assert BASIC.partition(" ")[2] not in found.told


def test_a_registry_without_tls(plain, pull):
    found = refusal(lambda: pull(plain.host, "insecure = false"))
    assert f"{plain.host} does not speak TLS" in found.said
    assert "insecure = true" in found.said


def test_a_connection_that_ends_within_the_handshake(pull):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        accepted = []

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    found, _ = listening.accept()
                    accepted.append(found.recv(1) if len(accepted) else b"")
                    found.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        found = refusal(lambda: pull(host, "insecure = false"))
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert issubclass(found.kind, RegistryError)
    assert re.search("TLS failed|connection broke", found.said)
    assert "authority" not in found.said
    assert len(accepted) == 1 + 3  # whether anybody listens, and three attempts
