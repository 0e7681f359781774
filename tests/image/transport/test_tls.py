"""TLS is not given up on the way, and no other authority counts than the configured one."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress

import pytest
import requests

from bpfman_core.api import ImageSource
from bpfman_core.errors import Denied, RegistryError
from bpfman_core.image.source import find
from tests.image.hostile import (
    TAG,
    moved,
    reply,
)
from tests.image.registries import PASSWORD
from tests.image.transport.peers import (
    ALICE,
    BASIC,
    BUNDLES,
    refusal,
)


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
