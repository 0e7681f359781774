"""What a policy asks, of an image that a registry or the cache has."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidRequest, RegistryError, Untrusted
from bpfman_core.image import pull
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.registries import serving
from tests.image.signers import (
    STRICT,
    Key,
    Signed,
    keys,
)

NEVER = PullPolicy.NEVER


def test_an_unsigned_image(signed, verdict, key):
    assert verdict(signed, "") == "unsigned"
    assert verdict(signed, keys(key.path)) == "unsigned"
    assert verdict(signed, "[signing]\nverify_enabled = false\n") == "not checked"
    with pytest.raises(Untrusted, match="has no signature; sign it"):
        verdict(signed, keys(key.path) + STRICT)


def test_nothing_is_checked_where_that_is_turned_off(signed, verdict, key, other):
    signed.simple(other)
    assert verdict(signed, keys(key.path) + "verify_enabled = false\n") == "not checked"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "cannot read"), (b"text", "no PEM public key")]
)
def test_keys_that_cannot_be_used(signed, verdict, tmp_path, key, content, reason):
    signed.simple(key)
    path = tmp_path / "bad.pub"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidRequest, match=reason):
        verdict(signed, keys(path))


def test_keys_of_a_kind_that_is_not_known(signed, verdict, tmp_path, key):
    signed.simple(key)
    with pytest.raises(InvalidRequest, match="use ECDSA or RSA"):
        verdict(signed, keys(Key.make(tmp_path, "Ed25519").path))


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_the_cache_keeps_signatures(signed, published, configured, key, other, form):
    getattr(signed, form)(key)
    source = ImageSource(published(signed, f"team/{form}:1"))
    good = f"verified: key {key.path}"
    assert find(source, configured(keys(key.path))).signature == good
    here = ImageSource(source.url, NEVER)
    assert find(here, configured(keys(key.path))).signature == good
    with pytest.raises(Untrusted):
        find(here, configured(keys(other.path)))
    assert find(here, configured("")).signature == "signed, not verified"
    assert find(here, configured(keys(other.path, key.path) + STRICT)).signature == good


def test_what_was_not_looked_for_is_not_unsigned(signed, published, configured, key):
    signed.simple(key)
    url = published(signed, "team/unlooked:1")
    find(ImageSource(url), configured("[signing]\nverify_enabled = false\n"))
    with pytest.raises(Untrusted, match="without looking for signatures"):
        find(ImageSource(url, NEVER), configured(keys(key.path)))
    found = find(ImageSource(url), configured(keys(key.path)))
    assert found.signature == f"verified: key {key.path}"


def test_signed_since_it_was_pulled(signed, published, configured, key):
    url = published(signed, "team/later:1")
    assert find(ImageSource(url), configured()).signature == "unsigned"
    signed.simple(key)
    published(signed, "team/later:1")
    found = find(ImageSource(url), configured(keys(key.path) + STRICT))
    assert found.signature == f"verified: key {key.path}"


def test_a_key_that_is_replaced_while_an_image_is_pulled(
    signed, published, configured, key, other, monkeypatch
):
    """The verdict was the old key's: it says nothing under the new one."""
    signed.simple(key)
    url = published(signed, "team/replaced:1")
    take = pull.take

    def slowly(*words: object) -> object:
        key.path.write_bytes(other.path.read_bytes())
        return take(*words)

    with monkeypatch.context() as patched:
        patched.setattr(pull, "take", slowly)
        assert find(ImageSource(url), configured(keys(key.path))).signature.startswith("verified")
    with pytest.raises(Untrusted, match="by another key"):
        find(ImageSource(url, NEVER), configured(keys(key.path)))


def test_a_key_that_is_gone_is_an_error_wherever_the_image_is(
    signed, published, configured, key, tmp_path
):
    """Not a cache that is damaged, for which something unsigned could stand in."""
    signed.simple(key)
    url = published(signed, "team/gone:1")
    Signed(signed.image, url).keep(tmp_path / "seed")
    policy, seeds = keys(key.path), f'seeds = ["{tmp_path}/seed"]'
    assert find(ImageSource(url), configured(policy)).signature.startswith("verified")
    pem = key.path.read_bytes()
    for content in (None, b"no key"):
        key.path.unlink() if content is None else key.path.write_bytes(content)
        for images in (seeds, f"{seeds}\noffline = true"):
            for when in (NEVER, PullPolicy.IF_NOT_PRESENT):
                with pytest.raises(InvalidRequest, match=r"signing: .*\.pub"):
                    find(ImageSource(url, when), configured(policy, images))
    key.path.write_bytes(pem)
    assert find(ImageSource(url, NEVER), configured(policy)).signature.startswith("verified")


def test_a_mirror_that_lacks_the_signatures(signed, published, registries, configured, key):
    published(signed, "mirror/team/x:1")
    signed.simple(key)
    url = published(signed, "team/x:1")
    host = registries("open").host
    mirrored = f'[registries."{host}"]\nmirrors = ["{host}/mirror"]\n'
    found = find(ImageSource(url), configured(mirrored + keys(key.path) + STRICT))
    assert found.signature == f"verified: key {key.path}"


def test_a_known_verdict_needs_no_cryptography(signed, published, configured, key, tmp_path):
    signed.simple(key)
    url = published(signed, "team/known:1")
    find(ImageSource(url), configured(keys(key.path)))
    code = (
        "import sys; from pathlib import Path; from bpfman_core.api import ImageSource\n"
        "from bpfman_core.config import load_config; from bpfman_core.image.source import find\n"
        "from bpfman_core.image.tables import image_settings\n"
        f"config = load_config(Path({str(tmp_path / 'bpfman.toml')!r}))\n"
        f"settings = image_settings(config, Path({str(tmp_path / 'cache')!r}))\n"
        f"print(find(ImageSource({url!r}), settings).signature, 'cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == f"verified: key {key.path} False\n", done


@pytest.mark.parametrize("broken", [".sig", "referrers"])
@pytest.mark.parametrize("policy", ["", "keys"])
def test_a_registry_that_cannot_say(signed, configured, key, broken, policy):
    """It never counts as unsigned."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            top, blobs = signed.image.top, signed.image.blobs
            found = blobs.get(self.path.rpartition("/")[2])
            found = blobs[top.digest] if self.path.endswith("/manifests/1") else found
            self.send_response(500 if broken in self.path else 200 if found else 404)
            self.send_header("Content-Length", str(len(found or b"")))
            self.send_header("Content-Type", top.media_type)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: object) -> None:
            pass

    with serving(Handler) as host, pytest.raises(RegistryError, match="answered 500"):
        find(ImageSource(f"{host}/team/x:1"), configured(policy and keys(key.path)))
