"""Whatever a registry answers, a pull ends soon, in an image or one line, and leaves no trace."""

import gc
import gzip
import io
import re
import signal
import tarfile
import tempfile
import time
import tracemalloc
from contextlib import contextmanager

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound, RegistryError
from bpfman_core.image.descriptor import INDEX, LAYER, MANIFEST, Descriptor
from bpfman_core.image.layout import REFERENCE
from bpfman_core.image.manifest import host_platform, resolve
from bpfman_core.image.places import open_repository
from bpfman_core.image.push import push
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.repository import fallback_tag, signature_tag
from bpfman_core.image.signing.bundle import BUNDLE
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.hostile import (
    BINARY,
    CHUNK,
    CHUNKED,
    CONTINUES,
    ENDLESS,
    GARBAGE,
    LONG,
    NAME,
    NEVER,
    PATIENCE,
    SLOW,
    SLOW_HEADERS,
    TAG,
    TRAILERS,
    document_only,
    endless,
    forged,
    hostile_registry,
    in_turn,
    index_of,
    raw,
    reply,
    reset,
)

ALICE = {"username": "alice", "password": "s3cret"}
BASIC = Credentials(**ALICE).basic()
MB = 1 << 20
LONGEST = 600  # characters of an error
MEMORY = 150 * MB  # of which all layers, unpacked, may take 64
SENT = 16 * MB


@pytest.fixture
def good(built):
    return built()


@pytest.fixture
def layer(good):
    """The packed layer of the good image."""
    return good.blobs[resolve(good.top, lambda one, _: good.blobs[one.digest]).layers[0].digest]


@pytest.fixture
def hostile(good):
    with hostile_registry() as found:
        found.hold(good)
        yield found


@pytest.fixture
def other(good):
    """Another host, as its name says: `localhost`."""
    with hostile_registry() as found:
        found.hold(good)
        found.host = found.host.replace("127.0.0.1", "localhost")
        yield found


@pytest.fixture
def pull(hostile, configured, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "here"))
    monkeypatch.setattr("bpfman_core.image.remote.exchange._BACKOFF", 0.02)

    def made(config="", name="", **source):
        settings = configured(f'[registries."{hostile.host}"]\ntimeout = 0.3\n{config}')
        url = f"{hostile.host}/{NAME}{name or ':1'}"
        return find(ImageSource(url, PullPolicy.ALWAYS, **source), settings)

    return made


@contextmanager
def soon(seconds=15.0):
    """Fails a block that takes longer; one that only computes is ended."""

    def over(*_):
        raise AssertionError("it goes on and on")

    handler = signal.signal(signal.SIGALRM, over)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)
    start = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
    assert time.monotonic() - start < seconds


@contextmanager
def sparingly(hostile, most=MEMORY):
    """Fails a block that takes more memory, or lets more be sent to it."""
    hostile.sent = 0
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MB:.0f} MB"
    assert hostile.sent < SENT


def error_of(action, caplog):
    """Kind and text of the error; what a traceback held open shows here, not in a later test."""
    try:
        action()
        kind, text = None, "no error"
    except Exception as error:
        kind, text = type(error), str(error)
    caplog.clear()
    gc.collect()
    return kind, text


@pytest.fixture
def fails(hostile, good, pull, cache, tmp_path, caplog, nobody_at_home):
    """Pulls what is of no use; the error must be good, and all be well afterwards."""

    def whole():
        for top in cache.images():
            repository = cache.repository(Reference.parse(top.annotations[REFERENCE]))
            for one in resolve(top, repository.read).layers:
                repository.read(one, one.size)

    def made(error, text, within=15.0, **how):
        with soon(within), sparingly(hostile):
            kind, said = error_of(lambda: pull(**how), caplog)
        assert issubclass(kind, error), (kind, said)
        assert re.search(text, said), said
        assert said.isprintable(), said
        assert len(said) < LONGEST
        assert {one.name for one in tmp_path.iterdir()} <= {"bpfman.toml", "cache", "here"}
        assert list((tmp_path / "here").iterdir()) == []
        assert list(nobody_at_home.iterdir()) == []
        whole()
        hostile.hold(good)
        hostile.challenge = ""
        assert pull().digest == good.top.digest
        whole()
        assert len(cache.images()) == 1

    return made


# ---- HTTP


def moved(place):
    return reply(status=307, Location=place)


NOWHERE = "http://[::1/"
ANSWERS = [
    pytest.param(ENDLESS, InvalidObject, "sent more than", id="endless"),
    pytest.param(NEVER, RegistryError, "did not answer within|broke: .*timed out", id="never"),
    pytest.param(GARBAGE, RegistryError, "connection broke", id="garbage"),
    pytest.param(reset, RegistryError, "connection broke", id="reset"),
    pytest.param(reply(b"{}", Content_Length=9), RegistryError, "connection broke", id="truncated"),
    pytest.param(reply(X=100_000 * "x"), RegistryError, "connection broke", id="large header"),
    pytest.param(
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200), RegistryError, "broke", id="many headers"
    ),
    pytest.param(raw(CHUNKED + b"-5\r\n{}"), BpfmanError, "127.0.0.1|damaged|JSON", id="chunk"),
    pytest.param(reply(Content_Length="5, 6"), RegistryError, "127.0.0.1", id="two lengths"),
    pytest.param(reply(b"", 500), RegistryError, "answered 500", id="500"),
    pytest.param(reply(b"", 403), Denied, "does not let you", id="403"),
    pytest.param(reply(b"", 404), NotFound, "has no", id="404"),
    pytest.param(reply(b"", 401), Denied, "wants credentials", id="401"),
    pytest.param(reply(b"", 429, Retry_After=3600), RegistryError, "in 3600 s", id="429"),
    pytest.param(reply(b"", 429, Retry_After="nan"), RegistryError, "too often", id="429 nan"),
    pytest.param(moved("/v2/"), NotFound, "has no", id="moved"),
    pytest.param(moved("file:///etc/passwd"), RegistryError, "file://.* not safe", id="file"),
    pytest.param(moved("ftp://127.0.0.1/"), RegistryError, "ftp://.* not safe", id="ftp"),
    pytest.param(BINARY, RegistryError, "connection broke", id="binary"),
    pytest.param(moved(NOWHERE), RegistryError, "redirects to", id="no URL"),
    pytest.param(moved("http://127.0.0.1:99999/"), RegistryError, "no plain URL", id="no port"),
    pytest.param(moved("/\xff"), RegistryError, "no plain URL", id="no UTF-8"),
]


@pytest.mark.parametrize(("answer", "error", "text"), ANSWERS)
def test_instead_of_a_manifest(hostile, fails, answer, error, text):
    hostile.answers[TAG] = answer
    fails(error, text)
    assert hostile.count(TAG) <= 3 + 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(SLOW, id="body"),
        pytest.param(SLOW_HEADERS, id="headers"),
        pytest.param(CONTINUES, id="continues"),
        pytest.param(TRAILERS, id="trailers"),
    ],
)
def test_a_slow_manifest(hostile, fails, answer):
    hostile.answers[TAG] = answer
    fails(BpfmanError, "too slowly|did not answer|broke|malformed|unknown kind", within=PATIENCE)


@pytest.mark.parametrize(("answer", "error", "text"), [one for one in ANSWERS if not one.marks])
def test_instead_of_a_layer(hostile, layer, fails, answer, error, text):
    digest = Descriptor.of(LAYER, layer).digest
    hostile.answers[f"/v2/{NAME}/blobs/{digest}"] = answer
    fails(error, text)
    assert hostile.count(f"/v2/{NAME}/blobs/{digest}") <= 3 + 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (SLOW, RegistryError, "too slowly"),
        (reply(b"another"), InvalidObject, "do not match"),
        (reply(b""), InvalidObject, "do not match"),
        (in_turn(reply(b"another"), reply(b"", 416)), InvalidObject, "do not match"),
        (in_turn(reply(b"x", Content_Length=9), reply(b"", 206)), RegistryError, "answered 206"),
    ],
)
def test_another_layer(hostile, layer, fails, answer, error, text):
    hostile.answers[f"/v2/{NAME}/blobs/{Descriptor.of(LAYER, layer).digest}"] = answer
    fails(error, text)


@pytest.mark.parametrize("answer", [LONG, ENDLESS], ids=["with a length", "chunked"])
def test_a_manifest_of_100_mb(hostile, pull, fails, answer):
    hostile.answers[TAG] = answer
    with sparingly(hostile, 32 * MB), pytest.raises(InvalidObject, match="sent more than"):
        pull()
    fails(InvalidObject, "sent more than")


def test_a_redirect_without_an_end(hostile, good, pull):
    place = f"/v2/{NAME}/manifests/{good.top.digest}"
    head = CHUNKED.replace(b"200 OK", b"307 Moved\r\nLocation: " + place.encode())
    hostile.answers[TAG] = endless(head, CHUNK)
    with sparingly(hostile):
        assert pull().digest == good.top.digest


def test_a_redirect_in_circles(hostile, fails):
    hostile.answers[TAG] = moved(TAG)
    fails(RegistryError, "redirects in circles")
    assert hostile.count(TAG) <= 6 + 1


def test_another_image_than_the_digest(hostile, built, good, fails):
    wrong = built("xdp_drop", "drop")
    digest = good.top.digest
    data = wrong.blobs[wrong.top.digest]
    hostile.answers[f"/v2/{NAME}/manifests/{digest}"] = reply(data, kind=INDEX)
    fails(InvalidObject, "sent another image than", name=f"@{digest}")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_for_a_while(hostile, good, pull, status):
    well = reply(good.blobs[good.top.digest], kind=INDEX)
    busy = reply(b"", status, Retry_After="0.1")
    hostile.answers[TAG] = in_turn(busy, busy, well)
    with soon():
        assert pull().digest == good.top.digest
    assert hostile.count(TAG) == 3


@pytest.mark.parametrize("ranges", [True, False])
def test_a_layer_that_breaks_off_once(hostile, good, layer, pull, ranges):
    digest, half = Descriptor.of(LAYER, layer).digest, len(layer) // 2
    where = f"bytes {half}-{len(layer) - 1}/{len(layer)}"
    rest = reply(layer[half:], 206, Content_Range=where) if ranges else reply(layer)
    asked = []

    def second(request):
        asked.append(request.headers["Range"])
        rest(request)

    first = reply(layer[:half], Content_Length=len(layer))
    hostile.answers[f"/v2/{NAME}/blobs/{digest}"] = in_turn(first, second)
    with soon():
        assert pull().digest == good.top.digest
    assert asked == [f"bytes={half}-"]


# ---- signatures


@pytest.mark.parametrize("status", [500, 403, 429])
@pytest.mark.parametrize("where", ["signature tag", "referrers", "referrers tag"])
def test_signatures_that_cannot_be_asked_for(hostile, good, fails, where, status):
    digest = good.top.digest
    path = {
        "signature tag": f"/v2/{NAME}/manifests/{signature_tag(digest)}",
        "referrers": f"/v2/{NAME}/referrers/{digest}",
        "referrers tag": f"/v2/{NAME}/manifests/{fallback_tag(digest)}",
    }[where]
    hostile.answers[path] = reply(b"", status)
    fails(BpfmanError, f"answered {status}|does not let you|too often")


def test_referrers_on_many_pages(hostile, good, configured, fails):
    path = f"/v2/{NAME}/referrers/{good.top.digest}"

    def page(text, link=None):
        index = index_of(Descriptor.of(MANIFEST, text).as_json())
        return reply(
            index.blobs[index.top.digest], kind=INDEX, Link=link and f'<{link}>; rel="next"'
        )

    place = Reference.parse(f"{hostile.host}/{NAME}:1")
    hostile.answers[path] = in_turn(
        page(b"1", "?n=1"), page(b"2", f"http://{hostile.host}{path}"), page(b"3")
    )
    found = open_repository(place, configured()).referrers(good.top.digest)
    assert [one.digest for one in found] == [
        Descriptor.of("", text).digest for text in (b"1", b"2", b"3")
    ]
    hostile.answers[path] = page(b"1", f"http://localhost:1{path}")
    fails(RegistryError, "sends us to http://localhost, another host")
    hostile.answers[path] = page(b"1", path)
    fails(InvalidObject, "no end of referrers")


def test_too_many_referrers(hostile, good, fails):
    rows = [Descriptor.of(MANIFEST, b"%d" % number).as_json() for number in range(300)]
    index = index_of(*rows)
    hostile.answers[f"/v2/{NAME}/referrers/{good.top.digest}"] = reply(
        index.blobs[index.top.digest], kind=INDEX
    )
    fails(InvalidObject, "too many referrers")


@pytest.mark.parametrize("size", [None, 2 * MB], ids=["gone", "large"])
def test_a_referrer_that_cannot_be_read_is_no_obstacle(hostile, good, pull, size):
    """It may be a signature, so the image does not count as unsigned; but it is pulled."""
    bundle = Descriptor(f"{BUNDLE}.v0.3+json", f"sha256:{'1' * 64}", size or 1).as_json()
    subject = good.top.as_json()
    about = forged(layers=[bundle], subject=subject)
    index = index_of(about.top.as_json())
    hostile.answers[f"/v2/{NAME}/referrers/{good.top.digest}"] = reply(
        index.blobs[index.top.digest], kind=INDEX
    )
    if size:
        place = f"/v2/{NAME}/manifests/{about.top.digest}"
        hostile.answers[place] = reply(about.blobs[about.top.digest], kind=MANIFEST)
    assert pull().signature == "signed, not verified"


# ---- documents

HOSTILE_TEXT = "x\n\x1b[2J\ud800"
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


# ---- layers


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


# ---- credentials


def test_credentials_do_not_follow_a_layer_elsewhere(hostile, other, good, layer, pull):
    hostile.challenge = "Basic"
    path = f"/v2/{NAME}/blobs/{Descriptor.of(LAYER, layer).digest}"
    hostile.answers[path] = moved(f"http://{other.host}/x")
    other.answers = {"/x": reply(layer)}
    assert pull(**ALICE).digest == good.top.digest
    assert BASIC in hostile.authorizations
    assert other.authorizations == {None}


@pytest.mark.parametrize("place", ["http://{other}\\@{own}/x", "http://a:b@{other}/x"])
def test_places_about_which_clients_disagree(hostile, other, layer, fails, place):
    hostile.challenge = "Basic"
    path = f"/v2/{NAME}/blobs/{Descriptor.of(LAYER, layer).digest}"
    hostile.answers[path] = moved(place.format(other=other.host, own=hostile.host))
    fails(RegistryError, "redirects to .* no plain URL", **ALICE)
    assert other.authorizations == set()


@pytest.mark.parametrize("realm", ["http://{other}/token", "http://{other}\\@{own}/token"])
def test_credentials_go_to_no_token_server_elsewhere(hostile, other, fails, realm):
    realm = realm.format(other=other.host, own=hostile.host)
    hostile.challenge = f'Bearer realm="{realm}"'.replace("\\", "\\\\")
    fails(Denied, "sent to localhost; they were not|no plain URL", **ALICE)
    assert other.authorizations <= {None}


def test_a_token_server_elsewhere_that_is_allowed(hostile, other, good, pull):
    hostile.challenge = f'Bearer realm="http://{other.host}/token"'
    other.answers["/token"] = reply(b'{"token":"abc"}')
    assert pull('auth_hosts = ["localhost"]', **ALICE).digest == good.top.digest
    assert other.authorizations == {BASIC}
    assert hostile.authorizations == {None, "Bearer abc"}


# what asked for a token is left open where that fails, until it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (reply(b"garbage"), RegistryError, "the token server .* no JSON"),
        (reply(b"[]"), RegistryError, "the token server .* no JSON"),
        (reply(b"{}"), Denied, "does not accept"),
        (reply(b'{"token":5}'), Denied, "does not accept"),
        (reply(b'{"token":"a\\r\\nX: y"}'), Denied, "does not accept"),
        (reply(b"", 403), Denied, "does not accept"),
        (NEVER, RegistryError, "did not answer"),
        (GARBAGE, RegistryError, "connection broke"),
        (ENDLESS, RegistryError, "sent more"),
        (SLOW, RegistryError, "too slowly"),
    ],
)
def test_token_servers_that_fail(hostile, fails, answer, error, text):
    hostile.challenge = f'Bearer realm="http://{hostile.host}/token"'
    hostile.answers["/token"] = answer
    fails(error, text, within=PATIENCE, **ALICE)


@pytest.mark.parametrize(
    "realm",
    [
        "ftp://127.0.0.1/token",
        "/token",
        "",
        NOWHERE,
        "http://127.0.0.1:99999/token",
    ],
)
def test_token_servers_that_make_no_sense(hostile, fails, realm):
    hostile.challenge = f'Bearer realm="{realm}"'
    fails(BpfmanError, "token server|no URL|wants credentials|does not accept", **ALICE)


def test_a_token_server_with_half_an_address(hostile, fails):
    hostile.challenge = 'Bearer realm="http://[1.2]/token"'
    fails(Denied, "names a token server at")


def test_a_long_challenge(hostile, fails):
    hostile.challenge = "Bearer " + "a" * 20_000
    fails(Denied, "wants credentials|does not accept", within=PATIENCE, **ALICE)


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("http://{other}/up", None),
        ("file:///etc/passwd", RegistryError),
        ("http://{other}\\@{own}/up", RegistryError),
        (NOWHERE, RegistryError),
    ],
)
def test_credentials_do_not_follow_an_upload(
    hostile, other, good, configured, caplog, place, error
):
    hostile.hold(document_only({}, MANIFEST))
    hostile.challenge = "Basic"
    place = place.format(other=other.host, own=hostile.host)
    hostile.answers = {f"/v2/{NAME}/blobs/uploads/": reply(status=202, Location=place)}
    hostile.answers[TAG] = reply(status=201)
    other.answers = {"/up": reply(status=201)}
    for digest in good.blobs:
        hostile.answers[f"/v2/{NAME}/manifests/{digest}"] = reply(status=201)
    to = Reference.parse(f"{hostile.host}/{NAME}:1")
    target = open_repository(
        to, configured(), credentials=Credentials(**ALICE), actions="pull,push"
    )

    def upload():
        push(good.top, lambda one, _: good.blobs[one.digest], target, "1")

    if error is not None:
        assert error_of(upload, caplog)[0] is error
        return
    upload()
    assert other.authorizations == {None}
