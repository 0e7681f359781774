"""Documents of an image that make no sense."""

import pytest

from bpfman_core.errors import InvalidObject
from bpfman_core.image.descriptor import INDEX, LAYER, MANIFEST, Descriptor
from bpfman_core.image.manifest import host_platform
from tests.image.attacks.limits import MB
from tests.image.hostile import (
    HOSTILE_TEXT,
    NAME,
    document_only,
    forged,
    index_of,
    reply,
)

BIG = "x" * MB
ROW = Descriptor.of(LAYER, b"layer").as_json()
DOCUMENTS = [
    (document_only(b"[" * 100_000, MANIFEST), "no JSON"),
    (document_only(b"no JSON", MANIFEST), "no JSON"),
    (document_only([], MANIFEST), "no JSON object"),
    (document_only(b'{"n":' + b"9" * 10_000 + b"}", MANIFEST), "no JSON"),
    (forged(manifests=[]), "contradicts itself"),
    (forged(mediaType=5), "contradicts itself"),
    (forged(mediaType=INDEX), "contradicts itself"),
    (forged(layers=None), "no list of layers"),
    (forged(layers={}), "no list of layers"),
    (forged(layers=[None]), "malformed descriptor"),
    (forged(layers=["x"]), "malformed descriptor"),
    (forged(layers=[{**ROW, "digest": 5}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "digest": "sha256:../../../../x"}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "size": -1}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "size": "5"}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "size": float("inf")}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "platform": "linux"}]), "malformed descriptor"),
    (forged(layers=[{**ROW, "annotations": 5}]), "malformed descriptor"),
    (forged(layers=[ROW] * 1000), "more, or larger"),
    (forged(layers=[{**ROW, "size": 1 << 40}]), "more, or larger"),
    (forged(layers=[{**ROW, "size": 33 * MB}]), "more than"),
    (forged(config=b"no JSON"), "no JSON"),
    (forged(config=b"[" * 100_000), "no JSON"),
    (forged(config=[]), "no JSON object"),
    (forged(labels={"io.ebpf.programs": "{"}), "label io.ebpf.programs is no JSON"),
    (index_of({**ROW, "mediaType": INDEX}), "nothing for"),
    (index_of(None), "malformed descriptor"),
    (document_only({"mediaType": INDEX, "manifests": None}, INDEX), "no list of manifests"),
    (document_only({"mediaType": HOSTILE_TEXT}, ""), "unknown kind"),
    (forged(layers=[{"digest": BIG}]), "malformed descriptor"),
    (index_of({**ROW, "platform": {"os": HOSTILE_TEXT, "architecture": ""}}), "nothing for"),
    (index_of({**ROW, "platform": {"os": BIG, "architecture": ""}}), "nothing for"),
]


@pytest.mark.parametrize(
    ("image", "text"),
    DOCUMENTS,
    ids=range(len(DOCUMENTS)),
)
def test_documents_that_make_no_sense(hostile, fails, image, text):
    hostile.hold(image)
    fails(InvalidObject, text)


@pytest.mark.parametrize("row", [{"config": None}, {"config": {**ROW, "size": 1 << 40}}])
def test_configs_that_are_not_there(hostile, fails, row):
    value = {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [ROW], **row}
    hostile.hold(document_only(value, MANIFEST))
    fails(InvalidObject, "malformed descriptor|more than")


@pytest.mark.parametrize("kind", [INDEX, MANIFEST])
def test_an_index_that_leads_to_an_index(hostile, fails, kind):
    system, _, architecture = host_platform().partition("/")
    platform = {"platform": {"os": system, "architecture": architecture}}
    inner = index_of()
    row = {**inner.top.as_json(), "mediaType": kind, **platform}
    outer = index_of(row)
    hostile.hold(outer)
    data = inner.blobs[inner.top.digest]
    hostile.answers[f"/v2/{NAME}/manifests/{inner.top.digest}"] = reply(data, kind=kind)
    fails(InvalidObject, "unknown kind" if kind == INDEX else "contradicts itself")


def test_an_index_that_leads_to_itself(hostile, fails):
    """It cannot have its own digest; a registry can but pretend."""
    system, _, architecture = host_platform().partition("/")
    row = {**ROW, "mediaType": MANIFEST, "platform": {"os": system, "architecture": architecture}}
    index = index_of(row)
    hostile.hold(index)
    data = index.blobs[index.top.digest]
    hostile.answers[f"/v2/{NAME}/manifests/{row['digest']}"] = reply(data, kind=MANIFEST)
    fails(InvalidObject, "do not match")


@pytest.mark.parametrize("change", [-1, 1])
def test_a_layer_of_another_size(hostile, layer, fails, change):
    row = Descriptor.of(LAYER, layer).as_json()
    image = forged(layers=[{**row, "size": len(layer) + change}])
    hostile.hold(image)
    hostile.answers[f"/v2/{NAME}/blobs/{row['digest']}"] = reply(layer)
    fails(InvalidObject, "do not match|sent more than")


def test_labels_that_name_another_function(hostile, layer, fails):
    hostile.hold(forged(layer, labels={"io.ebpf.programs": '{"other":"xdp"}'}))
    fails(InvalidObject, "name a program 'other'")
