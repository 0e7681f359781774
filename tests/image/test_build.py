"""What is written can be read back, and is the same every time."""

import json

import pytest

from bpfman_core.errors import Conflict
from bpfman_core.image.build import NewImage, write
from bpfman_core.image.layout import Layout
from bpfman_core.image.manifest import resolve
from bpfman_core.image.reference import Reference


def new_image(name="one", programs=None):
    return NewImage(
        filename=f"{name}.bpf.o",
        objects={"arm64": b"object", "amd64": b"object"},
        programs=programs or {"pass": "xdp"},
        maps={"hits": "per_cpu_array"},
    )


def images(*names):
    return {f"quay.io/tests/{name}:latest": new_image(name) for name in names}


def files(directory):
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def labels(layout, name):
    top = layout.find(Reference.parse(name))
    return resolve(top, layout.read, "linux/arm64").labels


def test_same_input_same_bytes(tmp_path):
    both = images("one", "two")
    assert write(tmp_path / "a", both) == write(tmp_path / "b", both)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_writing_again_leaves_nothing_of_before(tmp_path):
    write(tmp_path / "a", images("old"))
    write(tmp_path / "a", images("new"))
    write(tmp_path / "b", images("new"))
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_directory_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(Conflict):
        write(tmp_path, images("one"))
    assert (tmp_path / "letter").read_text() == "dear"


def test_digest_is_that_of_the_index(tmp_path):
    digest = write(tmp_path, images("one"))["quay.io/tests/one:latest"]
    index = json.loads(Layout(tmp_path).blob_path(digest).read_bytes())
    platforms = [row["platform"]["architecture"] for row in index["manifests"]]
    assert platforms == ["amd64", "arm64"]


def test_one_program_has_the_labels_of_both_generations(tmp_path):
    write(tmp_path, images("one"))
    assert labels(Layout(tmp_path), "quay.io/tests/one") == {
        "io.ebpf.programs": '{"pass":"xdp"}',
        "io.ebpf.maps": '{"hits":"per_cpu_array"}',
        "io.ebpf.filename": "one.bpf.o",
        "io.ebpf.program_name": "one",
        "io.ebpf.bpf_function_name": "pass",
        "io.ebpf.program_type": "xdp",
    }


def test_several_programs_have_those_of_the_second_only(tmp_path):
    two = new_image(programs={"one": "xdp", "two": "tc"})
    write(tmp_path, {"quay.io/tests/one:latest": two})
    assert set(labels(Layout(tmp_path), "quay.io/tests/one")) == {
        "io.ebpf.programs",
        "io.ebpf.maps",
    }
