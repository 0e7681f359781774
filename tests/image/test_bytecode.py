"""Objects are found in layers, and nothing else is taken out of them."""

import contextlib
import gzip
import io
import json
import re
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.errors import InvalidObject
from bpfman_core.image.bytecode import (
    OBJECT_LIMIT,
    UNPACKED_LIMIT,
    FetchedImage,
    extract,
    only_object,
)


def layer(*members):
    """A packed layer of members: name, content and, unless regular, the type."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content, *kind in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if kind:
                member.type, member.linkname = kind[0], "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def only(*layers, filename=""):
    return only_object(layers, filename)


@pytest.fixture
def fetched(bpf_object):
    """Gives an image of the example xdp_pass, whose function is `pass`, with some labels."""
    data = bpf_object("examples/xdp_pass").read_bytes()

    def made(labels):
        return FetchedImage("sha256:00", "somewhere", labels, (layer(("x.o", data)),), "unsigned")

    return made


OLD = {
    "io.ebpf.program_type": "xdp",
    "io.ebpf.filename": "x.o",
    "io.ebpf.program_name": "x",
    "io.ebpf.bpf_function_name": "pass",
}


def test_labels_of_the_first_generation(fetched):
    found = extract(fetched(OLD))
    assert (found.function, found.functions) == ("pass", {"pass": "xdp"})
    assert found.data.startswith(b"\x7fELF")


def test_the_first_generation_may_name_the_section(fetched):
    found = extract(fetched({**OLD, "io.ebpf.bpf_function_name": "xdp"}))
    assert found.function == "xdp"


def test_labels_of_the_second_generation(fetched):
    labels = {"io.ebpf.programs": '{"pass":"xdp"}', "io.ebpf.maps": '{"hits":"hash",".bss":"x"}'}
    found = extract(fetched(labels))
    assert (found.function, found.functions) == ("pass", {"pass": "xdp"})


def test_of_several_programs_none_is_the_one_to_load(bpf_object):
    data = bpf_object("tests/several").read_bytes()
    programs = json.dumps(dict.fromkeys(("first", "second"), "xdp"))
    image = FetchedImage("", "", {"io.ebpf.programs": programs}, (layer(("x.o", data)),), "")
    assert extract(image).function is None


def test_no_labels(fetched):
    found = extract(fetched({}))
    assert (found.function, found.functions) == (None, {})


@pytest.mark.parametrize("text", ["", "[]", "{", "1", "[" * 100_000])
@pytest.mark.parametrize("label", ["io.ebpf.programs", "io.ebpf.maps"])
def test_malformed_label(fetched, label, text):
    with pytest.raises(InvalidObject, match=re.escape(label)):
        extract(fetched({label: text}))


@pytest.mark.parametrize(
    "labels",
    [
        {"io.ebpf.programs": '{"other":"xdp"}'},
        {"io.ebpf.programs": '{"pass":"xdp","other":"xdp"}'},
        {"io.ebpf.maps": '{"other":"hash"}'},
        {**OLD, "io.ebpf.bpf_function_name": "other"},
    ],
)
def test_labels_that_promise_what_is_not_there(fetched, labels):
    with pytest.raises(InvalidObject, match=r"labels name a (program|map) 'other'; it holds: "):
        extract(fetched(labels))


def test_what_is_no_object_is_refused(fetched):
    with pytest.raises(InvalidObject, match="no ELF object"):
        extract(FetchedImage("", "", {}, (layer(("x.o", b"object")),), ""))


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
    with pytest.raises(InvalidObject, match="holds none"):
        only(layer(("x.o", b"", kind)))


def test_names_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert only(layer(("../../x.o", b"object"))) == b"object"
    assert list(tmp_path.iterdir()) == []


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
