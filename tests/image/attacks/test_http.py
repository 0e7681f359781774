"""Whatever a registry answers, a pull ends soon, in an image or one line, and leaves no trace."""

import pytest

from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound, RegistryError
from bpfman_core.image.descriptor import INDEX, LAYER, MANIFEST, Descriptor
from bpfman_core.image.places import open_repository
from bpfman_core.image.reference import Reference
from bpfman_core.image.repository import fallback_tag, signature_tag
from bpfman_core.image.signing.bundle import BUNDLE
from tests.image.attacks.limits import MB, soon, sparingly
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
    NOWHERE,
    PATIENCE,
    SLOW,
    SLOW_HEADERS,
    TAG,
    TRAILERS,
    endless,
    forged,
    in_turn,
    index_of,
    moved,
    raw,
    reply,
    reset,
)

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
    fails(InvalidObject, "does not give all referrers")
    hostile.answers[path] = in_turn(page(b"1", path), reply(b"", 404))
    fails(InvalidObject, "does not give all referrers")
    none = index_of()
    empty = reply(none.blobs[none.top.digest], kind=INDEX, Link=f'<{path}>; rel="next"')
    for answer in (empty, in_turn(empty, reply(b"", 404))):
        hostile.answers[path] = answer
        fails(InvalidObject, "does not give all referrers")


def test_too_many_referrers(hostile, good, fails):
    rows = [Descriptor.of(MANIFEST, b"%d" % number).as_json() for number in range(300)]
    index = index_of(*rows)
    hostile.answers[f"/v2/{NAME}/referrers/{good.top.digest}"] = reply(
        index.blobs[index.top.digest], kind=INDEX
    )
    fails(InvalidObject, "too many referrers")


def test_a_manifest_of_more_signatures_than_can_be(hostile, good, pull):
    """They are not asked for one by one, for ever; and the image does not count as unsigned."""
    row = Descriptor(f"{BUNDLE}.v0.3+json", Descriptor.of("", b"").digest, 0).as_json()
    about = forged(layers=[row] * 20_000, subject=good.top.as_json())
    index = index_of(about.top.as_json())
    place = f"/v2/{NAME}/manifests/{about.top.digest}"
    hostile.answers = {
        f"/v2/{NAME}/referrers/{good.top.digest}": reply(index.blobs[index.top.digest], kind=INDEX),
        place: reply(about.blobs[about.top.digest], kind=MANIFEST),
        f"/v2/{NAME}/blobs/{row['digest']}": reply(b""),
    }
    with soon():
        assert pull().signature == "signed, not verified"
    assert len(hostile.seen) < 1100


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
