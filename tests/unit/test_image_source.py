"""The sources are asked in turn, and say what they did."""

import subprocess
import sys
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidRequest, NotFound
from bpfman_core.image.build import NewImage, write
from bpfman_core.image.source import find, seeds
from bpfman_core.model import PullPolicy

URL = "quay.io/tests/one:latest"


def make_layout(directory: Path, data: bytes) -> str:
    image = NewImage(
        reference=URL,
        filename="one.bpf.o",
        objects=dict.fromkeys(("amd64", "arm64", "ppc64le", "riscv64", "s390x"), data),
        programs={"pass": "xdp"},
        maps={},
    )
    return write(directory, [image])[URL]


def test_seed_is_used_with_a_warning(tmp_path, caplog):
    digest = make_layout(tmp_path, b"object")
    found = find(ImageSource(URL), seeds([tmp_path]))
    assert (found.data, found.function, found.digest) == (b"object", "pass", digest)
    assert found.source == f"seed:{tmp_path}"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert digest in record.message


def test_first_source_wins(tmp_path):
    make_layout(tmp_path / "a", b"first")
    make_layout(tmp_path / "b", b"second")
    sources = seeds([tmp_path / name for name in ("empty", "a", "b")])
    assert find(ImageSource(URL), sources).data == b"first"


def test_image_that_is_not_here(tmp_path):
    make_layout(tmp_path, b"object")
    with pytest.raises(NotFound, match="cannot ask a registry; the images here: " + URL) as caught:
        find(ImageSource("quay.io/tests/two"), seeds([tmp_path]))
    assert "\n" not in str(caught.value)


def test_seeds_can_be_turned_off():
    with pytest.raises(NotFound, match="images here: none"):
        find(ImageSource(URL), seeds([]))


def test_policy_always_takes_no_seed(tmp_path):
    make_layout(tmp_path, b"object")
    with pytest.raises(NotFound, match="IfNotPresent"):
        find(ImageSource(URL, PullPolicy.ALWAYS), seeds([tmp_path]))


def test_policy_never_takes_a_seed(tmp_path):
    make_layout(tmp_path, b"object")
    assert find(ImageSource(URL, PullPolicy.NEVER), seeds([tmp_path])).data == b"object"


def test_malformed_reference():
    with pytest.raises(InvalidRequest):
        find(ImageSource("Quay/X"), seeds([]))


@pytest.mark.parametrize(
    ("name", "function"), [("xdp_pass", "pass"), ("xdp_counter", "xdp_counter")]
)
def test_examples_ship_as_images(name, function):
    found = find(ImageSource(f"quay.io/bpfman-bytecode/{name}:latest"), seeds())
    assert found.function == function
    assert found.functions == {function: "xdp"}
    assert found.data.startswith(b"\x7fELF")


def test_no_registry_client_is_imported():
    code = "import sys, bpfman_core.image.source; print('oras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
