"""Registries that want to have credentials sent to others."""

import pytest

from bpfman_core.errors import BpfmanError, Denied, RegistryError
from bpfman_core.image.descriptor import LAYER, MANIFEST, Descriptor
from bpfman_core.image.places import open_repository
from bpfman_core.image.push import push
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from tests.image.attacks.limits import ALICE, BASIC, error_of
from tests.image.hostile import (
    ENDLESS,
    GARBAGE,
    NAME,
    NEVER,
    NOWHERE,
    PATIENCE,
    SLOW,
    TAG,
    document_only,
    moved,
    reply,
)


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
