"""Images of our own, and registries to keep them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bpfman_core.config import load_config
from bpfman_core.errors import Unsupported
from bpfman_core.image.build import Built, NewImage, assemble
from bpfman_core.image.cache import Cache
from bpfman_core.image.manifest import host_platform, resolve
from bpfman_core.image.places import open_repository
from bpfman_core.image.push import push
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.tables import image_settings
from tests.image.outside import Outside
from tests.image.registries import KINDS, PASSWORD, USER, Registry, running
from tests.image.signers import Signed

ALICE = Credentials(USER, PASSWORD)


@pytest.fixture(autouse=True)
def nobody_at_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A home without credentials."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def bpfman(bpfman_paths, veth, bpf_object) -> Iterator[Outside]:
    shell = Outside(bpfman_paths, veth, bpf_object)
    shell.configure()
    yield shell
    shell.unload_all()


@pytest.fixture(scope="session")
def registries(tmp_path_factory) -> Iterator[Callable[[str], Registry]]:
    """Gives the registry of a kind. All run before the first test that uses one: no residue."""
    directory = tmp_path_factory.mktemp("registries")
    found: dict[str, Registry] = {}
    missing: dict[str, Unsupported] = {}
    with ExitStack() as stack:
        for kind in KINDS:
            try:
                found[kind] = stack.enter_context(running(kind, directory / kind))
            except Unsupported as error:
                missing[kind] = error

        def get(kind: str) -> Registry:
            if kind in missing:
                raise missing[kind]
            return found[kind]

        yield get


@pytest.fixture
def configured(tmp_path: Path) -> Callable[[str], ImageSettings]:
    """The settings that a configuration's text means; `images` is its first table."""

    def made(text: str = "", images: str = "seeds = []") -> ImageSettings:
        file = tmp_path / "bpfman.toml"
        file.write_text(f"[images]\n{images}\n{text}")
        return image_settings(load_config(file), tmp_path / "cache")

    return made


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """The cache that `configured` uses."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def built(bpf_object) -> Callable[..., Built]:
    """An image for this host, of the example xdp_pass unless told otherwise."""

    def made(example: str = "xdp_pass", function: str = "pass", **programs: str) -> Built:
        data = bpf_object(f"examples/{example}").read_bytes()
        architecture = host_platform().partition("/")[2]
        return assemble(
            NewImage(f"{example}.o", {architecture: data}, programs or {function: "xdp"}, {})
        )

    return made


@pytest.fixture
def good(built):
    """An image that all is well with."""
    return built()


@pytest.fixture
def layer(good):
    """The packed layer of the good image."""
    return good.blobs[resolve(good.top, lambda one, _: good.blobs[one.digest]).layers[0].digest]


@pytest.fixture
def pushed(built, configured) -> Callable[[Registry, str], str]:
    """Pushes an image to a registry under a name; gives the digest."""

    def made(registry: Registry, name: str, image: Built | None = None) -> str:
        image = image or built()
        place = Reference.parse(registry.reference(name))
        settings = configured(registry.config)
        target = open_repository(place, settings, credentials=ALICE, actions="pull,push")
        push(image.top, lambda one, _: image.blobs[one.digest], target, place.tag)
        return image.top.digest

    return made


@pytest.fixture
def published(registries, configured):
    """Pushes an image and what is about it to a registry; gives its URL."""

    def made(image: Signed, name: str) -> str:
        url = registries("open").reference(name)
        place = Reference.parse(url)
        target = open_repository(place, configured(), actions="pull,push")
        tags = image.tags()
        blobs = {**image.image.blobs, **image.blobs}
        push(image.image.top, lambda one, _: blobs[one.digest], target, place.tag)
        for tag, top in tags.items():
            push(top, lambda one, _: blobs[one.digest], target, tag)
        return url

    return made
