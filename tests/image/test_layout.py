"""Layouts that other tools wrote are read; damaged ones are refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bpfman_core.errors import InvalidObject
from bpfman_core.image.descriptor import DOCUMENT_LIMIT, LAYER_LIMIT, MANIFEST, Descriptor
from bpfman_core.image.layout import Layout
from bpfman_core.image.manifest import resolve
from bpfman_core.image.reference import Reference

THIRD_PARTY = Path(__file__).parents[1] / "fixtures" / "third-party-images"
HOME = "quay.io/bpfman-bytecode"


@pytest.fixture
def layout(tmp_path):
    return Layout(Path(shutil.copytree(THIRD_PARTY, tmp_path / "layout")))


def find(layout, name):
    found = layout.find(Reference.parse(f"{HOME}/{name}"))
    assert found is not None
    return found


def rewrite_index(layout, change):
    index = json.loads(layout.index_path.read_bytes())
    change(index["manifests"])
    layout.index_path.write_text(json.dumps(index))


def test_references(layout):
    assert [name for name in layout.references() if not name.endswith(".sig")] == [
        f"{HOME}/by-oras-py:latest",
        f"{HOME}/by-buildah:oci",
        f"{HOME}/by-buildah:multi-oci",
        f"{HOME}/keyless:1",
    ]


@pytest.mark.parametrize("name", ["by-oras-py", "by-buildah:oci", "by-buildah:multi-oci"])
def test_image_of_another_tool(layout, name):
    manifest = resolve(find(layout, name), layout.read, "linux/amd64")
    assert json.loads(manifest.labels["io.ebpf.programs"]) == {"pass": "xdp"}
    assert all(layout.read(layer, LAYER_LIMIT) for layer in manifest.layers)


def test_index_has_an_image_per_platform(layout):
    top = find(layout, "by-buildah:multi-oci")
    layers = {
        resolve(top, layout.read, platform).layers[0].digest
        for platform in ("linux/amd64", "linux/arm64", "linux/s390x")
    }
    assert len(layers) == 3
    with pytest.raises(InvalidObject, match=r"nothing for linux/sparc.*linux/amd64, linux/arm64"):
        resolve(top, layout.read, "linux/sparc")


def test_digest_decides_over_tag(layout):
    digest = find(layout, "by-buildah:oci").digest
    assert find(layout, f"by-buildah@{digest}").digest == digest
    assert find(layout, f"by-buildah:multi-oci@{digest}").digest == digest
    assert layout.find(Reference.parse(f"{HOME}/by-oras-py@{digest}")) is None


def test_unknown_name(layout):
    assert layout.find(Reference.parse(f"{HOME}/by-buildah:other")) is None
    assert layout.find(Reference.parse("docker.io/bpfman-bytecode/by-buildah:oci")) is None


def test_directory_that_is_no_layout(tmp_path):
    assert Layout(tmp_path).references() == ()
    assert Layout(tmp_path / "missing").references() == ()


def test_altered_blob(layout):
    top = find(layout, "by-oras-py")
    path = layout.blob_path(top.digest)
    path.write_bytes(path.read_bytes().replace(b"schema", b"Schema"))
    with pytest.raises(InvalidObject, match="damaged"):
        resolve(top, layout.read)


@pytest.mark.parametrize("size", [0, 100, 504, 506])
def test_size_that_does_not_match(layout, size):
    top = find(layout, "by-oras-py")
    with pytest.raises(InvalidObject, match="damaged"):
        layout.read(Descriptor(top.media_type, top.digest, size), DOCUMENT_LIMIT)


def test_missing_blob(layout):
    top = find(layout, "by-oras-py")
    layout.blob_path(top.digest).unlink()
    with pytest.raises(InvalidObject, match="No such file"):
        resolve(top, layout.read)


def test_size_past_the_limit_is_not_even_read(layout):
    digest = "sha256:" + "0" * 64
    with pytest.raises(InvalidObject, match="more than"):
        layout.read(Descriptor("", digest, DOCUMENT_LIMIT + 1), DOCUMENT_LIMIT)


@pytest.mark.parametrize(
    "row",
    [
        None,
        "text",
        {},
        {"digest": "sha256:../../../etc/passwd", "size": 1},
        {"digest": "sha256:" + "0" * 64, "size": -1},
        {"digest": "sha256:" + "0" * 64, "size": True},
        {"digest": "sha256:" + "0" * 64, "size": "1"},
        {"digest": "sha256:" + "0" * 64, "size": 1, "annotations": "text"},
        {"digest": "sha256:" + "0" * 64, "size": 1, "platform": "linux"},
    ],
)
def test_malformed_descriptor(layout, row):
    before = layout.references()
    rewrite_index(layout, lambda rows: rows.insert(0, row))
    assert layout.references() == before
    with pytest.raises(InvalidObject, match="malformed descriptor"):
        Descriptor.parse(row)


def test_what_is_no_file(layout):
    path = layout.blob_path(find(layout, "by-oras-py").digest)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InvalidObject, match="is no file"):
        resolve(find(layout, "by-oras-py"), layout.read)


def test_documents_that_contradict_themselves(layout):
    top = find(layout, "by-buildah:multi-oci")
    with pytest.raises(InvalidObject, match="contradicts itself"):
        resolve(replace(top, media_type=MANIFEST), layout.read)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000])
def test_index_that_is_no_json(layout, text):
    layout.index_path.write_text(text)
    with pytest.raises(InvalidObject, match="no JSON"):
        layout.references()
