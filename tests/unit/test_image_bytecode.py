"""Objects are found in layers, and nothing else is taken out of them."""

import contextlib
import gzip
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfman_core.errors import InvalidObject
from bpfman_core.image.bytecode import OBJECT_LIMIT, UNPACKED_LIMIT, FetchedImage, extract

OLD = {
    "io.ebpf.program_type": "xdp",
    "io.ebpf.filename": "pass.o",
    "io.ebpf.program_name": "pass",
    "io.ebpf.bpf_function_name": "xdp_pass",
}


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


def image(*layers, labels=None):
    return FetchedImage("sha256:00", "somewhere", labels or {}, layers)


def test_labels_of_the_first_generation():
    found = extract(image(layer(("pass.o", b"object")), labels=OLD))
    assert (found.data, found.function, found.functions) == (
        b"object",
        "xdp_pass",
        {"xdp_pass": "xdp"},
    )


def test_labels_of_the_second_generation():
    programs = {"io.ebpf.programs": json.dumps({"one": "xdp", "two": "tc"})}
    found = extract(image(layer(("x.o", b"object")), labels=programs))
    assert found.functions == {"one": "xdp", "two": "tc"}
    assert found.function is None


def test_only_program_is_the_one_to_load():
    programs = {"io.ebpf.programs": json.dumps({"one": "xdp"})}
    assert extract(image(layer(("x.o", b"object")), labels=programs)).function == "one"


def test_no_labels():
    found = extract(image(layer(("x.o", b"object"))))
    assert (found.function, found.functions) == (None, {})


@pytest.mark.parametrize("text", ["", "[]", "{", "1", "[" * 100_000])
def test_malformed_label(text):
    with pytest.raises(InvalidObject, match=r"io\.ebpf\.programs"):
        extract(image(layer(("x.o", b"object")), labels={"io.ebpf.programs": text}))


def test_second_layer_is_empty_or_newer():
    assert extract(image(layer(("x.o", b"old")), layer())).data == b"old"
    assert extract(image(layer(("./x.o", b"old")), layer(("x.o", b"new")))).data == b"new"


def test_label_chooses_among_objects():
    both = layer(("other.o", b"other"), ("pass.o", b"pass"))
    assert extract(image(both, labels=OLD)).data == b"pass"
    with pytest.raises(InvalidObject, match=r"holds other\.o, pass\.o"):
        extract(image(both))


def test_no_object():
    with pytest.raises(InvalidObject, match="holds none"):
        extract(image(layer(("README", b"text"))))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_only_regular_files_count(kind):
    with pytest.raises(InvalidObject, match="holds none"):
        extract(image(layer(("x.o", b"", kind))))


def test_names_lead_nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert extract(image(layer(("../../x.o", b"object")))).data == b"object"
    assert list(tmp_path.iterdir()) == []


def test_object_past_the_limit():
    with pytest.raises(InvalidObject, match=r"x\.o has"):
        extract(image(layer(("x.o", bytes(OBJECT_LIMIT + 1)))))


def test_layer_past_the_limit():
    with pytest.raises(InvalidObject, match="unpacks to more"):
        extract(image(gzip.compress(bytes(UNPACKED_LIMIT + 1))))


@pytest.mark.parametrize(
    "data", [b"", b"no gzip", layer(("x.o", b"object"))[:-20], gzip.compress(b"no tar")]
)
def test_unreadable_layer(data):
    with pytest.raises(InvalidObject):
        extract(image(data))


@given(st.integers(0, 1535), st.binary(min_size=1, max_size=8))
def test_damaged_archive_is_an_error_of_ours_or_harmless(offset, noise):
    archive = bytearray(gzip.decompress(layer(("x.o", b"object"))))
    archive[offset : offset + len(noise)] = noise
    with contextlib.suppress(InvalidObject):
        extract(image(gzip.compress(bytes(archive), compresslevel=1)))
