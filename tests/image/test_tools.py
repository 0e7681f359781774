"""Images go to and fro between bpfman and the tools that everybody has; what comes is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.source import find
from bpfman_core.testing.features import requires
from tests.image.registries import PASSWORD, USER

ROOT = Path(__file__).parents[2]
LABELS = {"PROGRAMS": '{"pass":"xdp"}', "MAPS": '{"hits":"per_cpu_array"}'}


def run(*words: object) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Buildah:
    """buildah with a store of its own, in a directory with one object."""

    def __init__(self, directory: Path, example: Path) -> None:
        requires("buildah")
        self._store = ("--root", directory / "root", "--runroot", directory / "runroot")
        self._store += ("--storage-driver", "vfs")
        self._context = directory / "context"
        self._context.mkdir()
        shutil.copy(example, self._context / "pass.o")

    def __call__(self, *words: object) -> str:
        return run("buildah", *self._store, *words)

    def build(self, file: str, *words: object, **arguments: str) -> None:
        given = [f"--build-arg={name}={value}" for name, value in {**LABELS, **arguments}.items()]
        command = ("bud", "--isolation", "chroot", "--quiet", "--file", ROOT / file)
        self(*command, *words, *given, self._context)


@pytest.fixture
def buildah(tmp_path, bpf_object) -> Buildah:
    return Buildah(tmp_path, bpf_object("examples/xdp_pass"))


def test_an_image_of_buildah(buildah, registries, configured, bpf_object):
    registry = registries("open")
    for form in ("oci", "docker"):
        arguments = {"BYTECODE_FILE": "pass.o"}
        buildah.build("Containerfile.bytecode", "--format", form, "--tag", form, **arguments)
        url = registry.reference(f"buildah/{form}:1")
        buildah("push", "--tls-verify=false", form, f"docker://{url}")
        found = find(ImageSource(url), configured())
        assert found.functions == {"pass": "xdp"}
        assert found.data == bpf_object("examples/xdp_pass").read_bytes()


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_for_several_architectures_of_buildah(buildah, registries, configured, form):
    registry = registries("open")
    arguments = {"BC_AMD64_EL": "pass.o", "BC_ARM64_EL": "pass.o"}
    platforms = ("--platform", "linux/amd64,linux/arm64", "--manifest", "several")
    buildah.build("Containerfile.bytecode.multi.arch", *platforms, **arguments)
    url = registry.reference(f"buildah/several-{form}:1")
    push = ("manifest", "push", "--all", "--format", form, "--tls-verify=false")
    buildah(*push, "several", f"docker://{url}")
    assert find(ImageSource(url), configured()).functions == {"pass": "xdp"}


@pytest.mark.parametrize("kind", ["open", "basic", "tls", "token"])
def test_skopeo_copies_ours_and_back(registries, pushed, configured, tmp_path, kind):
    requires("skopeo")
    registry = registries(kind)
    digest = pushed(registry, "public/ours:1")
    url = registry.reference("public/ours:1")
    copy, layout = ("skopeo", "copy", "--preserve-digests", "--all"), f"oci:{tmp_path}/copy:{url}"
    run(*copy, *registry.skopeo("src"), f"docker://{url}", layout)
    assert find(ImageSource(layout), configured()).digest == digest
    back = registry.reference("public/back:1")
    run(*copy, *registry.skopeo("dest"), layout, f"docker://{back}")
    source = ImageSource(back, username=USER, password=PASSWORD)
    assert find(source, configured(registry.config)).digest == digest


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
