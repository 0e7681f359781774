"""Peers with TLS and without, and a pull from them."""

from __future__ import annotations

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.descriptor import LAYER, Descriptor
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.hostile import (
    NAME,
)
from tests.image.registries import authority
from tests.image.transport.peers import (
    BUNDLES,
    PROXIES,
    started,
)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    for name in (*PROXIES, *BUNDLES, "no_proxy", "NO_PROXY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bpfman_core.image.remote.exchange._BACKOFF", 0.02)


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
def layer_path(layer):
    return f"/v2/{NAME}/blobs/{Descriptor.of(LAYER, layer).digest}"


@pytest.fixture
def pull(configured):
    def made(host: str, config: str = "", *, timeout: float = 0.3, **source: str):
        settings = configured(f'[registries."{host}"]\ntimeout = {timeout}\n{config}')
        return find(ImageSource(f"{host}/{NAME}:1", PullPolicy.ALWAYS, **source), settings)

    return made
