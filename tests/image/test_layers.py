"""Objects are found in layers, and nothing else is taken out of them."""

import contextlib
import gzip
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.errors import InvalidObject
from bpfman_core.image.layers import OBJECT_LIMIT, UNPACKED_LIMIT, only_object
from tests.image.hostile import tar_layer as layer


def only(*layers, filename=""):
    return only_object(layers, filename)


def test_second_layer_is_empty_or_newer():
    assert only(layer(("x.o", b"old")), layer()) == b"old"
    assert only(layer(("./x.o", b"old")), layer(("x.o", b"new"))) == b"new"


def test_label_chooses_among_objects():
    both = layer(("other.o", b"other"), ("pass.o", b"pass"))
    assert only(both, filename="pass.o") == b"pass"
    with pytest.raises(InvalidObject, match=r"holds other\.o, pass\.o"):
        only(both)


def test_no_object():
    with pytest.raises(InvalidObject, match="holds none"):
        only(layer(("README", b"text")))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files_count(kind):
    with pytest.raises(InvalidObject, match=r"x\.o of the image is a|holds none"):
        only(layer(("x.o", b"", kind)))


LINK = tarfile.SYMTYPE


@pytest.mark.parametrize(
    "layers",
    [
        [layer(("x.o", b"object"), ("lib/y.o", b"", LINK))],
        [layer(("lib/y.o", b"", LINK)), layer(("x.o", b"object"))],
        [layer(("../x.o", b"another"), ("/bin/sh", b""), ("x.o", b"object"))],
    ],
)
def test_what_is_not_the_object_does_not_matter(layers):
    with pytest.raises(InvalidObject, match=r"holds (lib/y|\.\./x)\.o, x\.o"):
        only(*layers)
    kept = [layer(("x.o", b"object"), ("lib/sh", b"", LINK), ("/", b"", tarfile.DIRTYPE))]
    assert only(*kept) == b"object"
    assert only(layer(("lib/y.o", b"", LINK), ("x.o", b"object")), filename="x.o") == b"object"


def test_a_link_in_the_place_of_an_object():
    with pytest.raises(InvalidObject, match=r"x\.o of the image is a symbolic link"):
        only(layer(("x.o", b"object")), layer(("x.o", b"", LINK)))


@pytest.mark.parametrize(
    ("below", "above", "left"),
    [
        (["old.o", "x.o"], [".wh.old.o"], "x.o"),
        (["a/old.o", "b/x.o"], ["a/.wh.old.o"], "b/x.o"),
        (["a/old.o", "b/x.o"], [".wh.a"], "b/x.o"),
        (["a/old.o", "a/old/old.o"], ["a/.wh..wh..opq", "a/x.o"], "a/x.o"),
        (["old.o"], ["x.o", ".wh..wh..opq"], "x.o"),
        (["x.o"], [".wh.", ".wh..wh.plnk", "a/.wh.x.o"], "x.o"),
        (["x.o"], [".wh.x.o", "x.o"], "x.o"),
        (["lib/old.o", "x.o"], ["lib"], "x.o"),
        (["old.o", "x.o"], ["old.o/"], "x.o"),
        (["x.o"], ["bpf/", "", ".", "./"], "x.o"),
    ],
)
def test_a_layer_takes_away_what_lies_below(below, above, left):
    layers = [layer(*((name, name.encode()) for name in names)) for names in (below, above)]
    assert only(*layers) == left.encode()


def test_two_objects_of_one_name():
    with pytest.raises(InvalidObject, match=r"holds amd64/x\.o, arm64/x\.o"):
        only(layer(("amd64/x.o", b"one"), ("arm64/x.o", b"two")), filename="x.o")


def test_padding_behind_a_layer():
    assert only(layer(("x.o", b"object")) + bytes(512)) == b"object"
    with pytest.raises(InvalidObject, match="no readable"):
        only(layer(("x.o", b"object")) + bytes(512) + b"x")


def test_object_past_the_limit():
    with pytest.raises(InvalidObject, match=r"x\.o has"):
        only(layer(("x.o", bytes(OBJECT_LIMIT + 1))))


def test_a_layer_that_is_not_packed():
    assert only(gzip.decompress(layer(("x.o", b"object")))) == b"object"


def test_a_layer_packed_otherwise_is_named():
    with pytest.raises(InvalidObject, match="zstd"):
        only(b"\x28\xb5\x2f\xfd" + bytes(100))


def test_layers_past_the_limit_together():
    half = gzip.compress(bytes(UNPACKED_LIMIT // 2 + 1))
    with pytest.raises(InvalidObject, match="unpack to more"):
        only(half, half)


def test_layer_past_the_limit():
    with pytest.raises(InvalidObject, match="unpack to more"):
        only(gzip.compress(bytes(UNPACKED_LIMIT + 1)))


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", layer(("x.o", b"object"))[:-20], gzip.compress(b"no tar")]
)
def test_unreadable_layer(data):
    with pytest.raises(InvalidObject):
        only(data)


@given(st.integers(0, 1535), st.binary(min_size=1, max_size=8))
def test_damaged_archive_is_an_error_of_ours_or_harmless(offset, noise):
    archive = bytearray(gzip.decompress(layer(("x.o", b"object"))))
    archive[offset : offset + len(noise)] = noise
    with contextlib.suppress(InvalidObject):
        only(gzip.compress(bytes(archive), compresslevel=1))
