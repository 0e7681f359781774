"""Images go to and fro between bpfman and the tools that everybody has; what comes is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.archive import unpack
from bpfman_core.image.layout import Layout
from bpfman_core.image.manifest import resolve
from bpfman_core.image.places import open_repository
from bpfman_core.image.reference import Reference
from bpfman_core.image.source import find
from bpfman_core.testing.features import requires
from tests.image.hostile import forged, tar_layer
from tests.image.registries import PASSWORD, USER

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests/fixtures/third-party-images"
SEVERAL = ("--bc-amd64-el", "pass.o", "--bc-arm64-el", "pass.o")


def run(*words: object, cwd: Path | None = None) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Buildah:
    """buildah with a store of its own, in a directory with one object."""

    def __init__(self, directory: Path, example: Path) -> None:
        requires("buildah")
        self._store = ("--root", directory / "root", "--runroot", directory / "runroot")
        self._store += ("--storage-driver", "vfs")
        self.context = directory / "context"
        self.context.mkdir()
        shutil.copy(example, self.context / "pass.o")

    def __call__(self, *words: object) -> str:
        return run("buildah", *self._store, *words)

    def build(self, file: str, arguments: str, *words: object) -> None:
        """Build a Containerfile with `arguments` as `generate-build-args` prints them."""
        given = [f"--build-arg={line}" for line in arguments.splitlines()]
        command = ("bud", "--isolation", "chroot", "--quiet", "--file", ROOT / file)
        self(*command, *words, *given, self.context)


@pytest.fixture
def buildah(tmp_path, bpf_object) -> Buildah:
    return Buildah(tmp_path, bpf_object("examples/xdp_pass"))


@pytest.fixture
def arguments(bpfman, buildah, monkeypatch) -> Callable[..., str]:
    """What `generate-build-args` prints in the context of the build."""
    monkeypatch.chdir(buildah.context)
    return lambda *words: bpfman("image", "generate-build-args", *words)


@pytest.fixture
def runs(bpfman) -> Callable[..., dict]:
    """Loads an image and attaches it; packets must run it. Gives what `load` printed."""

    def made(url: str, *words: object) -> dict:
        loaded = bpfman.json("load", "image", "-i", url, *words, *bpfman.xdp())
        assert loaded["bpfman"]["name"] == "pass"
        if loaded["kernel"]["map_ids"]:
            bpfman.delivered(7)
            assert bpfman.hits(loaded["kernel"]["id"]) == 7
        bpfman.delivered(3)
        bpfman("unload", loaded["kernel"]["id"])
        return loaded

    return made


@pytest.mark.parametrize("form", ["oci", "docker"])
def test_an_image_of_buildah(buildah, arguments, runs, registries, configured, bpf_object, form):
    given = arguments("--bytecode", "pass.o")
    buildah.build("Containerfile.bytecode", given, "--format", form, "--tag", form)
    url = registries("open").reference(f"buildah/{form}:1")
    buildah("push", "--tls-verify=false", form, f"docker://{url}")
    found = find(ImageSource(url), configured())
    assert found.functions == {"pass": "xdp"}
    assert found.maps == {"hits": "per_cpu_array"}
    assert found.data == bpf_object("examples/xdp_pass").read_bytes()
    kind = open_repository(Reference.parse(url), configured()).resolve("1").media_type
    assert kind.startswith(f"application/vnd.{form}.")
    runs(url)


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_for_several_architectures_of_buildah(
    buildah, arguments, runs, registries, configured, form
):
    """Its layer of labels is a second one, and empty."""
    platforms = ("--platform", "linux/amd64,linux/arm64", "--manifest", "several")
    given = arguments(*SEVERAL)
    buildah.build("Containerfile.bytecode.multi.arch", given, *platforms)
    url = registries("open").reference(f"buildah/several-{form}:1")
    push = ("manifest", "push", "--all", "--format", form, "--tls-verify=false")
    buildah(*push, "several", f"docker://{url}")
    repository = open_repository(Reference.parse(url), configured())
    first, second = resolve(repository.resolve("1"), repository.read).layers
    assert b"pass.o" in unpack(repository.read(first, first.size), 1 << 20)
    assert not any(unpack(repository.read(second, second.size), 1 << 20))
    runs(url)


@pytest.mark.parametrize("name", ["by-oras-py:latest", "by-buildah:oci", "by-buildah:multi-oci"])
def test_images_that_others_made_earlier(runs, name):
    loaded = runs(f"oci:{FIXTURES}:quay.io/bpfman-bytecode/{name}")
    assert loaded["bpfman"]["origin"]["source"] == f"layout:{FIXTURES}"


OLD = {
    "io.ebpf.program_type": "xdp",
    "io.ebpf.filename": "pass.o",
    "io.ebpf.program_name": "pass",
    "io.ebpf.bpf_function_name": "pass",
}


def test_an_image_with_labels_of_the_first_generation(runs, pushed, registries, bpf_object):
    data = bpf_object("examples/xdp_pass").read_bytes()
    image = forged(tar_layer(("pass.o", data)), labels=OLD)
    pushed(registries("open"), "team/old:1", image)
    runs(registries("open").reference("team/old:1"))


@pytest.mark.parametrize("kind", ["open", "basic", "tls", "token"])
def test_skopeo_copies_ours_and_back(bpfman, runs, registries, pushed, configured, tmp_path, kind):
    requires("skopeo")
    registry = registries(kind)
    bpfman.configure(registry.config)
    digest = pushed(registry, "public/ours:1")
    url = registry.reference("public/ours:1")
    copy, layout = ("skopeo", "copy", "--preserve-digests", "--all"), f"oci:{tmp_path}/copy:{url}"
    run(*copy, *registry.skopeo("src"), f"docker://{url}", layout)
    assert find(ImageSource(layout), configured()).digest == digest
    runs(layout)
    back = registry.reference("public/back:1")
    run(*copy, *registry.skopeo("dest"), layout, f"docker://{back}")
    source = ImageSource(back, username=USER, password=PASSWORD)
    assert find(source, configured(registry.config)).digest == digest
    auth = ("--registry-auth", registry.secret) if registry.secret else ()
    assert runs(back, *auth)["bpfman"]["origin"]["digest"] == digest


def test_skopeo_reads_a_layout_of_ours_and_we_add_to_one_of_its(bpfman, runs, registries, tmp_path):
    requires("skopeo")
    ours, theirs, name = tmp_path / "ours", tmp_path / "theirs", "quay.io/team/pass:1"
    built = ("image", "build", "--bytecode", bpfman.compiled("examples/xdp_pass"))
    digest = bpfman.json(*built, "--tag", name, "--to", f"oci:{ours}")["digest"]
    url = registries("open").reference("team/from-layout:1")
    copy = ("skopeo", "copy", "--preserve-digests", "--all", "--dest-tls-verify=false")
    run(*copy, f"oci:{ours}:{name}", f"docker://{url}")
    assert runs(url)["bpfman"]["origin"]["digest"] == digest
    run("skopeo", "copy", "--src-tls-verify=false", "--all", f"docker://{url}", f"oci:{theirs}")
    before = Layout(theirs).entries()
    bpfman(*built, "--tag", name, "--to", f"oci:{theirs}")
    assert [entry.as_json() for entry in Layout(theirs).entries()[:-1]] == [
        entry.as_json() for entry in before
    ]
    runs(f"oci:{theirs}:{name}")


def test_podman_pulls_ours(registries, pushed):
    requires("podman")
    with tempfile.TemporaryDirectory() as store:  # podman wants a short name
        _podman_pulls_ours(registries, pushed, Path(store))


def _podman_pulls_ours(registries, pushed, directory):
    url = registries("open").reference("public/ours:1")
    pushed(registries("open"), "public/ours:1")
    store = ("--root", directory / "a", "--runroot", directory / "b", "--storage-driver", "vfs")
    run("podman", *store, "pull", "--tls-verify=false", url)
    (about,) = json.loads(run("podman", *store, "inspect", url))
    assert about["Config"]["Labels"]["io.ebpf.programs"] == '{"pass":"xdp"}'
