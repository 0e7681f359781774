"""The user's credentials are found where other tools keep them, and go nowhere else."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import Denied
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote import challenge
from bpfman_core.image.remote.challenge import Challenge
from bpfman_core.image.remote.credentials import Credentials, completed, find
from bpfman_core.image.settings import Endpoint, ImageSettings, RegistrySettings
from bpfman_core.model import PullPolicy

IMAGE = Reference.parse("quay.io/team/app:1")


def auths(**entries: str) -> str:
    encoded = {
        key.replace("__", "/").replace("_", "."): base64.b64encode(value.encode()).decode()
        for key, value in entries.items()
    }
    return json.dumps({"auths": {key: {"auth": value} for key, value in encoded.items()}})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_nothing_is_stored():
    assert find(IMAGE) is None


def test_the_first_file_with_an_entry_answers(nobody_at_home, monkeypatch, tmp_path):
    write(nobody_at_home / ".docker/config.json", auths(quay_io="docker:d"))
    assert find(IMAGE) == Credentials("docker", "d")
    write(nobody_at_home / ".config/containers/auth.json", auths(quay_io="config:c"))
    assert find(IMAGE) == Credentials("config", "c")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    write(tmp_path / "run/containers/auth.json", auths(quay_io="runtime:r"))
    assert find(IMAGE) == Credentials("runtime", "r")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    assert find(IMAGE) == Credentials("runtime", "r")
    write(tmp_path / "auth.json", auths(ghcr_io="other:o"))
    assert find(IMAGE) == Credentials("runtime", "r")
    write(tmp_path / "auth.json", auths(quay_io="named:n:with:colons"))
    assert find(IMAGE) == Credentials("named", "n:with:colons")


@pytest.mark.parametrize(
    ("text", "user"),
    [
        (auths(quay_io="a:1", quay_io__team="b:2", quay_io__team__app="c:3"), "c"),
        (auths(quay_io="a:1", quay_io__team="b:2", quay_io__team__other="c:3"), "b"),
        (auths(quay_io="a:1", quay_io__te="b:2"), "a"),
        (json.dumps({"auths": {"https://quay.io/v1/": {"username": "u", "password": "p"}}}), "u"),
    ],
)
def test_the_closest_entry_counts(nobody_at_home, text, user):
    write(nobody_at_home / ".docker/config.json", text)
    assert find(IMAGE).username == user


def test_docker_hub_has_a_name_of_its_own(nobody_at_home):
    entry = {"auth": base64.b64encode(b"me:pw").decode()}
    text = json.dumps({"auths": {"https://index.docker.io/v1/": entry}})
    write(nobody_at_home / ".docker/config.json", text)
    assert find(Reference.parse("busybox")) == Credentials("me", "pw")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"auths": []}',
        '{"auths": {"quay.io": "text"}}',
        '{"auths": {"quay.io": {"auth": "no base64!"}}}',
        '{"auths": {"quay.io": {"auth": "bm9jb2xvbg=="}}}',
        '{"auths": {"quay.io": {"auth": 7}}}',
        '{"auths": {"quay.io": {"auth": "YTpi", "identitytoken": "t"}}}',
        '{"credHelpers": {"quay.io": "../../bin/sh"}}',
        '{"credHelpers": {"quay.io": "that-is-not-installed"}}',
    ],
)
def test_what_is_of_no_use_is_passed_over(nobody_at_home, text):
    write(nobody_at_home / ".docker/config.json", text)
    assert find(IMAGE) is None


@pytest.fixture
def helper(nobody_at_home, monkeypatch):
    """Makes a credential helper, the shell script that it is given."""
    directory = nobody_at_home / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=":")

    def made(script: str) -> None:
        path = directory / "docker-credential-tests"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return made


@pytest.mark.parametrize("where", ['"credHelpers": {"quay.io": "tests"}', '"credsStore": "tests"'])
def test_a_helper_is_asked(nobody_at_home, helper, where):
    write(nobody_at_home / ".docker/config.json", f"{{{where}}}")
    helper('read host; echo "{\\"Username\\": \\"$1\\", \\"Secret\\": \\"$host\\"}"')
    assert find(IMAGE) == Credentials("get", "quay.io")


@pytest.mark.parametrize(
    "script", ["exit 1", "echo text", "echo {}", 'echo \'{"Username": "<token>", "Secret": "t"}\'']
)
def test_a_helper_that_is_no_help(nobody_at_home, helper, script, caplog):
    write(nobody_at_home / ".docker/config.json", '{"credsStore": "tests"}')
    helper(script)
    assert find(IMAGE) is None
    assert '"t"' not in caplog.text


def test_what_a_client_sends_along(nobody_at_home):
    write(nobody_at_home / ".docker/config.json", auths(quay_io="me:pw"))
    asked = ImageSource(str(IMAGE))
    assert completed(asked).password == "pw"
    for other in (
        ImageSource(str(IMAGE), PullPolicy.NEVER),
        ImageSource("oci:/images"),
        ImageSource("ghcr.io/team/app"),
        ImageSource(str(IMAGE), username="you", password="own"),
    ):
        assert completed(other) is other


def test_a_password_is_never_shown():
    assert "s3cret" not in repr(Credentials("alice", "s3cret"))
    assert "s3cret" not in repr(ImageSource("x", username="alice", password="s3cret"))


# ---- challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Negotiate abc", ()),
        ("Basic", (Challenge("basic"),)),
        ('BASIC realm="x, y"', (Challenge("basic", {"realm": "x, y"}),)),
        (
            'Bearer realm="https://a/t",service=reg,scope="repository:x:pull,push"',
            (
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "service": "reg", "scope": "repository:x:pull,push"},
                ),
            ),
        ),
        (
            'Basic realm="a", Bearer realm="b"',
            (Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})),
        ),
    ],
)
def test_challenges(header, expected):
    assert challenge.parse(header) == expected


def endpoint(registry: str, *auth_hosts: str) -> Endpoint:
    settings = ImageSettings(
        Path("/"), registries={registry: RegistrySettings(auth_hosts=auth_hosts)}
    )
    return settings.endpoint(registry)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("quay.io", "https://quay.io/v2/auth"),
        ("quay.io:8443", "https://QUAY.io/v2/auth"),
        ("docker.io", "https://auth.docker.io/token"),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth"),
        ("localhost:5000", "http://localhost:5001/token"),
        ("[::1]:5000", "http://[::1]:5001/token"),
    ],
)
def test_token_servers_that_belong_to_the_registry(registry, realm):
    challenge.check_realm(realm, endpoint(registry), secret=True)


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("quay.io", "https://evil.example/token"),
        ("quay.io", "https://notquay.io/token"),
        ("quay.io", "https://quay.io.evil.example/token"),
        ("quay.io", "https://io/token"),
        ("10.1.2.3:5000", "https://3/token"),
        ("10.1.2.3:5000", "https://2.3/token"),
        ("registry.a.example", "https://auth.a.example/token"),
    ],
)
def test_token_servers_that_do_not(registry, realm):
    with pytest.raises(Denied, match=r"wants your credentials sent to .*auth_hosts = "):
        challenge.check_realm(realm, endpoint(registry), secret=True)
    challenge.check_realm(realm, endpoint(registry), secret=False)


def test_a_token_server_that_the_configuration_names():
    place = endpoint("registry.a.example", "auth.a.example")
    challenge.check_realm("https://auth.a.example/token", place, secret=True)


@pytest.mark.parametrize("realm", ["http://quay.io/token", "ftp://quay.io", "text", "https://"])
@pytest.mark.parametrize("secret", [True, False])
def test_token_servers_that_nobody_should_ask(realm, secret):
    with pytest.raises(Denied):
        challenge.check_realm(realm, endpoint("quay.io"), secret=secret)
