"""Proxies are heeded, told nothing, and not believed."""

from __future__ import annotations

import re
import time

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import Denied, NotFound, RegistryError
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
    Seen,
    reply,
    reset,
)
from tests.image.registries import KINDS, REMOTE
from tests.image.transport.peers import (
    ALICE,
    BASIC,
    PROXIES,
    Tunnel,
    refusal,
)


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


@pytest.mark.parametrize("hosts", ["localhost,::1", "other.example:5000,127.0.0.1", "[::1", ""])
def test_who_needs_no_proxy_is_no_proxy(secure, authorities, good, pull, proxy, monkeypatch, hosts):
    secure.hold(good)
    proxy.answers[f"{REMOTE}:443"] = Tunnel(secure.host)
    monkeypatch.setenv("https_proxy", f"http://{proxy.host}")
    monkeypatch.setenv("no_proxy", hosts)
    assert pull(REMOTE, f'ca = "{authorities}"').digest == good.top.digest


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
