"""Images that are loaded, or must not be: nothing of what is refused gets into the kernel."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from bpfman_core.testing.agreement import pinned
from tests.image.hostile import forged, tar_layer
from tests.image.outside import compiled
from tests.image.signers import STRICT, Key, Signed, keys

pytestmark = pytest.mark.kernel

BPF = Path(__file__).parents[2] / "bpf"


@pytest.fixture(params=["in process", "service"])
def configured_for(request: pytest.FixtureRequest, bpfman) -> Callable:
    """bpfman with a configuration, without a service and with one."""

    @contextmanager
    def made(*texts: str) -> Iterator[None]:
        bpfman.configure(*texts)
        if request.param == "in process":
            yield
            return
        with bpfman.service():
            yield
            bpfman.unload_all()

    return made


@pytest.fixture
def refused(bpfman) -> Callable[..., str]:
    """A load that fails, with one line; nothing is left of it."""

    def made(url: str, *words: object) -> str:
        said = bpfman.fails("load", "image", "-i", url, *(words or bpfman.xdp()))
        assert bpfman.ids() == []
        assert pinned(bpfman.paths) == []
        bpfman.delivered(3)
        return said

    return made


@pytest.fixture
def image(bpf_object, pushed, registries) -> Callable[..., str]:
    """Pushes an image of an object with some labels; gives its URL."""
    numbers = count()

    def made(labels: dict[str, str], data: bytes | None = None) -> str:
        name = f"team/labelled:{next(numbers)}"
        data = data or bpf_object("examples/xdp_pass").read_bytes()
        pushed(registries("open"), name, forged(tar_layer(("x.o", data)), labels=labels))
        return registries("open").reference(name)

    return made


# ---- signatures


def test_by_whom_it_is_signed(bpfman, configured_for, refused, built, published, tmp_path) -> None:
    right, wrong = Key.make(tmp_path), Key.make(tmp_path)
    signed = Signed(built())
    signed.simple(right)
    url = published(signed, "team/signed:1")
    with configured_for(keys(wrong.path)):
        assert "a signature is by another key" in refused(url)
    with configured_for(keys(wrong.path, right.path)):
        loaded = bpfman.json("load", "image", "-i", url, *bpfman.xdp())
        assert loaded["bpfman"]["origin"]["signature"] == f"verified: key {right.path}"
        bpfman.delivered(7)
        assert bpfman.hits(loaded["kernel"]["id"]) == 7


def test_unsigned_where_that_is_not_allowed(
    bpfman, configured_for, refused, pushed, registries, tmp_path
) -> None:
    pushed(registries("open"), "team/unsigned:1")
    url = registries("open").reference("team/unsigned:1")
    policy = keys(Key.make(tmp_path).path)
    with configured_for(policy + STRICT):
        assert "has no signature; sign it, or accept" in refused(url)
    with configured_for(policy):
        loaded = bpfman.json("load", "image", "-i", url, *bpfman.xdp())
        assert loaded["bpfman"]["origin"]["signature"] == "unsigned"


def test_files_are_asked_for_no_signature(bpfman, tmp_path) -> None:
    """Nor is anything looked at that would judge one: the key is not even there."""
    bpfman.configure(keys(tmp_path / "missing.pub") + STRICT)
    bpfman.load("examples/xdp_pass", *bpfman.xdp())
    bpfman.delivered(3)
    code = (
        "import sys; from bpfman_core.cli.main import run\n"
        "assert run(sys.argv[1:]) == 0\n"
        "images = ('bpfman_core.image.signing', 'bpfman_core.image.source')\n"
        "heavy = (*images, 'cryptography', 'oras')\n"
        "print(*(name for name in sys.modules if name.startswith(heavy)))"
    )
    words = ("load", "file", "-p", bpfman.compiled("examples/xdp_pass"), *bpfman.xdp(70))
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "", done


# ---- labels


def test_a_label_that_contradicts_the_type(refused, bpfman, bpf_object, image) -> None:
    data = bpf_object("tests/several").read_bytes()
    url = image({"io.ebpf.programs": '{"first":"tc"}'}, data)
    assert "image says that program 'first' is of type tc" in refused(url)
    url = image({"io.ebpf.programs": '{"pass":"xdp"}'})
    tc = ("tc", "-d", "ingress", *bpfman.xdp()[1:])
    assert "load it as xdp" in refused(url, *tc)


@pytest.mark.parametrize("word", ["hash", "ARRAY", "PerfEventArray"])
def test_a_label_that_contradicts_a_map(refused, image, word) -> None:
    url = image({"io.ebpf.maps": f'{{"hits":"{word}"}}'})
    assert f"map 'hits' is of type {word}; in its object it is per_cpu_array" in refused(url)


@pytest.mark.parametrize("word", ["per_cpu_array", "percpu_array", "PerCPUArray", "a new type"])
def test_a_type_has_several_spellings(bpfman, image, word) -> None:
    url = image({"io.ebpf.maps": f'{{"hits":"{word}"}}'})
    bpfman("load", "image", "-i", url, *bpfman.xdp())
    bpfman.delivered(3)


# ---- objects


@pytest.mark.parametrize(
    ("target", "reason"),
    [("bpfeb", "byte order"), ("x86_64", "for x86-64, not for BPF")],
)
def test_an_object_of_another_kind(refused, image, tmp_path, target, reason) -> None:
    said = refused(image({}, compiled(tmp_path, target).read_bytes()))
    assert reason in said


@pytest.mark.parametrize("data", [b"text", b"\x7fELF", b"\x7fELF" + bytes(100)])
def test_an_object_that_is_none(refused, image, data) -> None:
    assert "object" in refused(image({}, data))
