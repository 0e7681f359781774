"""What the labels of an image promise is held against its object."""

import json
import re

import pytest

from bpfman_core.errors import InvalidObject
from bpfman_core.image.bytecode import FetchedImage, extract
from tests.image.hostile import tar_layer as layer


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
