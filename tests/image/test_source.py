"""The cache, registries and seeds are asked in the order that the policy wants."""

from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidRequest, NotFound, Unreachable
from bpfman_core.image.build import NewImage, write
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy

URL = "quay.io/tests/one:latest"
ARCHITECTURES = ("amd64", "arm64", "ppc64le", "riscv64", "s390x")


@pytest.fixture
def make_layout(bpf_object):
    """Makes a layout with the image URL, of one of the examples; gives its digest."""

    def made(directory: Path, function: str = "pass", example: str = "xdp_pass") -> str:
        data = bpf_object(f"examples/{example}").read_bytes()
        objects = dict.fromkeys(ARCHITECTURES, data)
        return write(directory, {URL: NewImage("one.o", objects, {function: "xdp"}, {})})[URL]

    return made


@pytest.fixture
def offline(tmp_path):
    """Settings with which no registry is asked; seeds are what it is given."""

    def made(*seeds):
        return ImageSettings(tmp_path / "cache", offline=True, seeds=seeds)

    return made


def test_seed_is_used(tmp_path, caplog, make_layout, offline):
    """As that was asked for, it is no warning."""
    caplog.set_level("INFO")
    digest = make_layout(tmp_path)
    found = find(ImageSource(URL), offline(tmp_path))
    assert (found.function, found.digest, found.signature) == ("pass", digest, "unsigned")
    assert found.source == f"seed:{tmp_path}"
    assert f"in {tmp_path} with digest {digest}" in caplog.text


def test_first_seed_wins(tmp_path, make_layout, offline):
    make_layout(tmp_path / "a")
    make_layout(tmp_path / "b", "drop", "xdp_drop")
    found = find(ImageSource(URL), offline(*(tmp_path / name for name in ("empty", "a", "b"))))
    assert found.function == "pass"


@pytest.mark.parametrize("policy", [PullPolicy.IF_NOT_PRESENT, PullPolicy.NEVER])
def test_image_that_is_not_here(tmp_path, make_layout, offline, policy):
    make_layout(tmp_path)
    with pytest.raises((NotFound, Unreachable), match="the images here: " + URL) as caught:
        find(ImageSource("quay.io/tests/two", policy), offline(tmp_path))
    assert "\n" not in str(caught.value)


def test_seeds_can_be_turned_off(offline):
    with pytest.raises(Unreachable, match=r"offline = true; the images here: none"):
        find(ImageSource(URL), offline())


def test_policy_always_takes_no_seed(tmp_path, make_layout, offline):
    make_layout(tmp_path)
    with pytest.raises(Unreachable, match="no registry is asked"):
        find(ImageSource(URL, PullPolicy.ALWAYS), offline(tmp_path))


def test_policy_never_takes_a_seed(tmp_path, make_layout, offline):
    make_layout(tmp_path)
    assert find(ImageSource(URL, PullPolicy.NEVER), offline(tmp_path)).function == "pass"


def test_malformed_reference(offline):
    with pytest.raises(InvalidRequest):
        find(ImageSource("Quay/X"), offline())


def test_a_layout_by_its_path(tmp_path, make_layout, offline):
    digest = make_layout(tmp_path)
    for end in ("", ":latest", f":{URL}", f"@{digest}"):
        found = find(ImageSource(f"oci:{tmp_path}{end}"), offline())
        assert (found.digest, found.source) == (digest, f"layout:{tmp_path}")


@pytest.mark.parametrize(
    ("url", "error", "reason"),
    [
        ("oci:{}/missing", NotFound, "no image layout; write oci:/path"),
        ("oci:{}:other", NotFound, "holds no image other; it holds: " + URL),
        ("oci:{}@sha256:12", InvalidRequest, "a digest is"),
        ("oci:relative", InvalidRequest, "absolute"),
    ],
)
def test_a_layout_that_has_it_not(tmp_path, make_layout, offline, url, error, reason):
    make_layout(tmp_path)
    with pytest.raises(error, match=reason):
        find(ImageSource(url.format(tmp_path)), offline())


@pytest.mark.parametrize(
    ("name", "function"), [("xdp_pass", "pass"), ("xdp_counter", "xdp_counter")]
)
def test_examples_ship_as_images(tmp_path, name, function):
    settings = ImageSettings(tmp_path, offline=True)
    found = find(ImageSource(f"quay.io/bpfman-bytecode/{name}:latest"), settings)
    assert found.function == function
    assert found.functions == {function: "xdp"}
    assert found.data.startswith(b"\x7fELF")
