"""Layers that are no layers, lead elsewhere, or never end."""

import gzip
import io
import tarfile

import pytest

from bpfman_core.errors import InvalidObject
from tests.image.attacks.limits import MB
from tests.image.hostile import (
    HOSTILE_TEXT,
    PATIENCE,
    forged,
)


def header(name, size=0, kind=tarfile.REGTYPE, *, sparse=None, more=False):
    """A header of GNU's form that says what it likes; `sparse` is the size it has then."""
    data = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    data[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    data[156:157] = kind if sparse is None else tarfile.GNUTYPE_SPARSE
    if sparse is not None:
        data[482] = more
        data[483:495] = tarfile.itn(sparse, 12, tarfile.GNU_FORMAT)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


def packed(*headers):
    return gzip.compress(b"".join(headers) + bytes(1024), 1)


def archive(name, data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        made.addfile(header_of(name, len(data)), io.BytesIO(data))
    return buffer.getvalue()


def header_of(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    return member


@pytest.mark.parametrize("name", ["/x.o", "../../x.o", "here/../../../x.o"])
def test_names_that_lead_elsewhere(hostile, bpf_object, fails, name):
    data = bpf_object("examples/xdp_pass").read_bytes()
    hostile.hold(forged(archive(name, data)))
    fails(InvalidObject, "x.o of the image has a path that leads out of it")


def test_a_long_name(hostile, bpf_object, pull):
    data = bpf_object("examples/xdp_pass").read_bytes()
    hostile.hold(forged(archive("a/" * 200 + "x.o", data)))
    assert pull().data == data


def test_a_link_to_write_through(hostile, bpf_object, pull, tmp_path):
    """`a` leads out of the image, and the object lies below it; nothing is written anywhere."""
    data = bpf_object("examples/xdp_pass").read_bytes()
    link = tarfile.TarInfo("a")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    layer = gzip.compress(link.tobuf() + gzip.decompress(archive("a/x.o", data)))
    hostile.hold(forged(layer))
    assert pull().data == data
    assert {one.name for one in tmp_path.iterdir()} == {"bpfman.toml", "cache", "here"}


TB = 1 << 40
LAYERS = [
    ([packed(header("x.o", 0, tarfile.SYMTYPE))], "x.o of the image is a symbolic link"),
    ([packed(header("x.o", 0, tarfile.LNKTYPE))], "x.o of the image is a hard link"),
    ([packed(header("x.o", 0, tarfile.CHRTYPE))], "x.o of the image is a character device"),
    ([packed(header("x.o", 0, tarfile.BLKTYPE))], "x.o of the image is a block device"),
    ([packed(header("x.o", 0, tarfile.FIFOTYPE))], "x.o of the image is a FIFO"),
    ([packed(header("x.o", TB))], "no readable tar"),
    ([packed(header("x.o", 17 * MB), bytes(17 * MB))], "has 17825792 bytes"),
    ([packed(header("README", TB))], "no readable tar|holds none"),
    ([packed(header("x.o", 0, sparse=TB))], "x.o of the image is a sparse file"),
    ([packed(*[header("x")] * 60_000)], "holds none|no readable tar"),
    ([gzip.compress(bytes(MB), 9) * 1024], "unpack to more"),
    ([b"no gzip at all"], "no readable tar"),
    ([packed(header("x.o"))[:-20]], "no readable tar"),
    ([packed(header("x.o"))[:30] + b"\xff" * 30], "no readable tar"),
    ([], "holds none"),
    ([packed(header("x.o"))] * 17, "more, or larger"),
    ([packed(*[header("L", 0, b"L")] * 2000)], "no readable tar|holds none"),
    ([gzip.compress(header("x.o", sparse=9, more=True))], "x.o of the image is a sparse file"),
    ([packed(header(HOSTILE_TEXT[:-1] + ".o", 0, b"2"))], "is a symbolic link"),
    ([packed(*(header(f"{number}.o") for number in range(300)))], "more than 256 objects"),
]


@pytest.mark.parametrize(("layers", "text"), LAYERS, ids=range(len(LAYERS)))
def test_layers_that_are_of_no_use(hostile, fails, layers, text):
    hostile.hold(forged(*layers))
    fails(InvalidObject, text)


@pytest.mark.parametrize(
    "layer",
    [
        packed(header("a"), header("b.o", -512)),
        gzip.compress(b"") * 600_000,
    ],
    ids=["tar", "gzip"],
)
def test_layers_that_take_time(hostile, fails, layer):
    hostile.hold(forged(layer))
    fails(InvalidObject, "layer", within=PATIENCE)


@pytest.mark.parametrize(
    "layer",
    [
        gzip.compress(bytes(MB), 9) * 1024,
        packed(*(header(f"{n}.o", sparse=16 * MB) for n in range(20))),
    ],
    ids=["gzip", "sparse"],
)
def test_layers_that_would_fill_the_memory(hostile, fails, layer):
    hostile.hold(forged(layer))
    fails(InvalidObject, "unpack to more|should hold one BPF object")
