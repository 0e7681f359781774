"""The distributions hold what they should, and no more."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.source import find

ROOT = Path(__file__).parents[2]


def files(wheel):
    """The names in a wheel, without those of its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_bpfman_is_the_core_alone(wheels):
    assert {name.partition("/")[0] for name in files(wheels["bpfman"])} == {"bpfman_core"}


def test_bpfman_has_every_module(wheels):
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("bpfman_core/**/*.py")}
    assert modules <= files(wheels["bpfman"])


@pytest.mark.parametrize("name", ["xdp_pass", "tracepoint_counter"])
def test_bpfman_has_the_compiled_examples(wheels, tmp_path, name):
    with zipfile.ZipFile(wheels["bpfman"]) as archive:
        archive.extractall(tmp_path)
    layout = f"oci:{tmp_path}/bpfman_core/image/seeds:quay.io/bpfman-bytecode/{name}:latest"
    found = find(ImageSource(layout), ImageSettings(tmp_path / "cache"))
    assert found.data == (ROOT / f"bpf/examples/{name}.bpf.o").read_bytes()


def test_licence_comes_along(wheels):
    with zipfile.ZipFile(wheels["bpfman"]) as archive:
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())


def test_tracepoint_is_one_module(wheels):
    assert files(wheels["tracepoint"]) == {"bpfman_tracepoint.py"}


def test_xdp_is_one_package(wheels):
    assert {name.partition("/")[0] for name in files(wheels["xdp"])} == {"bpfman_xdp"}


def test_source_distribution_leaves_out_plugins_and_tests(build, tmp_path):
    with tarfile.open(build(ROOT, "sdist", tmp_path / "sdist")) as archive:
        inner = {name.partition("/")[2] for name in archive.getnames()}
    assert {name.partition("/")[0] for name in inner} == {
        ".gitignore",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "bpf",
        "bpfman_core",
        "pyproject.toml",
    }
    assert "bpfman_core/image/seeds/index.json" in inner
    assert "bpf/examples/xdp_pass.bpf.c" in inner
