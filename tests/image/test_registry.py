"""Images are pulled from a real registry, in every way that one can be set up."""

from __future__ import annotations

import base64
import json
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import Denied, NotFound, RegistryError, Unreachable
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.registries import KINDS, PASSWORD, USER, free_port, serving

NEVER, ALWAYS = PullPolicy.NEVER, PullPolicy.ALWAYS


@pytest.fixture(params=KINDS)
def registry(request, registries):
    return registries(request.param)


def test_pulled_once_and_then_cached(registry, pushed, configured):
    digest = pushed(registry, "team/pass:1")
    settings = configured(registry.config)
    url = registry.reference("team/pass:1")
    found = find(ImageSource(url, username=USER, password=PASSWORD), settings)
    assert (found.digest, found.source) == (digest, f"registry:{registry.host}")
    assert (found.function, found.signature) == ("pass", "unsigned")
    again = find(ImageSource(url, NEVER), settings)
    assert (again.data, again.source) == (found.data, f"cache:{settings.cache}")


def test_pulled_by_digest(registry, pushed, configured):
    digest = pushed(registry, "team/pass:1")
    url = registry.reference(f"team/pass@{digest}")
    source = ImageSource(url, username=USER, password=PASSWORD)
    assert find(source, configured(registry.config)).digest == digest


def test_always_takes_what_the_registry_has_now(registries, pushed, built, configured):
    registry = registries("open")
    url, settings = registry.reference("team/moving:1"), configured()
    pushed(registry, "team/moving:1")
    first = find(ImageSource(url), settings)
    digest = pushed(registry, "team/moving:1", built("xdp_drop", "drop"))
    assert find(ImageSource(url), settings).digest == first.digest
    assert find(ImageSource(url, ALWAYS), settings).digest == digest
    assert find(ImageSource(url), settings).digest == digest


@pytest.mark.parametrize("kind", ["basic", "token"])
@pytest.mark.parametrize("password", [None, "wrong"])
def test_without_the_right_credentials(registries, pushed, configured, kind, password):
    registry = registries(kind)
    pushed(registry, "team/pass:1")
    user = None if password is None else USER
    source = ImageSource(registry.reference("team/pass:1"), username=user, password=password)
    with pytest.raises(Denied, match=r"credentials for .*; give --registry-auth") as caught:
        find(source, configured(registry.config))
    assert "wrong" not in str(caught.value).replace("wrong credentials", "")


def test_a_token_for_anybody(registries, pushed, configured):
    registry = registries("token")
    pushed(registry, "public/pass:1")
    source = ImageSource(registry.reference("public/pass:1"))
    assert find(source, configured()).function == "pass"


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_the_credentials_that_the_user_has_stored(
    registries, pushed, configured, nobody_at_home, kind
):
    registry = registries(kind)
    pushed(registry, "team/pass:1")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    file = nobody_at_home / ".docker/config.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    assert find(ImageSource(registry.reference("team/pass:1")), configured()).function == "pass"


def test_an_unknown_authority(registries, configured):
    registry = registries("tls")
    settings = configured(f'[registries."{registry.host}"]\ninsecure = false\n')
    with pytest.raises(RegistryError, match=r"TLS failed: .*; is its authority your own\?"):
        find(ImageSource(registry.reference("team/pass:1")), settings)


def test_plain_http_to_a_registry_with_tls(registries, configured):
    registry = registries("tls")
    with pytest.raises(RegistryError, match=r"answered 400 .*; if it wants TLS: .* = false"):
        find(ImageSource(registry.reference("team/pass:1")), configured())


def test_an_image_that_is_not_there(registry, configured):
    source = ImageSource(registry.reference("team/none:1"), username=USER, password=PASSWORD)
    with pytest.raises(NotFound, match=r"has no image .*team/none:1; is its name right"):
        find(source, configured(registry.config))


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1:{}", "Connection refused"), ("nowhere.invalid", "is an unknown host")],
)
def test_a_registry_that_cannot_be_reached(configured, host, reason):
    with pytest.raises(Unreachable, match=reason):
        find(ImageSource(f"{host.format(free_port())}/team/pass:1"), configured())


def test_mirrors_are_asked_first_and_given_no_credentials(registries, pushed, configured):
    registry = registries("open")
    digest = pushed(registry, "quay/team/pass:1")
    dead = f"127.0.0.1:{free_port()}"
    settings = configured(
        f'[registries."quay.invalid"]\nmirrors = ["{dead}/x", "{registry.host}/quay"]\n'
    )
    found = find(ImageSource("quay.invalid/team/pass:1"), settings)
    assert (found.digest, found.source) == (digest, f"registry:{registry.host}")
    assert find(ImageSource("quay.invalid/team/pass:1", NEVER), settings).digest == digest
    with pytest.raises(Unreachable, match=r"quay\.invalid is an unknown host"):
        find(ImageSource("quay.invalid/team/other:1"), settings)


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on to `behind`, whatever host they are for."""

    behind: ClassVar[str]
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        parts = urlsplit(self.path)
        headers = {"Accept": self.headers.get("Accept", "*/*")}
        connection = HTTPConnection(self.behind)
        connection.request("GET", parts.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_proxy_is_heeded(registries, pushed, configured, monkeypatch):
    registry = registries("open")
    digest = pushed(registry, "team/pass:1")
    Proxy.behind = registry.host
    settings = configured('[registries."registry.invalid"]\ninsecure = true\n')
    with serving(Proxy) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        assert find(ImageSource("registry.invalid/team/pass:1"), settings).digest == digest
        assert Proxy.asked[0] == "http://registry.invalid/v2/team/pass/manifests/1"
        monkeypatch.setenv("no_proxy", "registry.invalid")
        with pytest.raises(Unreachable):
            find(ImageSource("registry.invalid/team/pass:1", ALWAYS), settings)
