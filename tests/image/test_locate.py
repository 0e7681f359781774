"""Images are looked at, and verified, where a load would take them from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import (
    Denied,
    InvalidObject,
    NotFound,
    RegistryError,
    Unreachable,
    Untrusted,
)
from bpfman_core.image.build import write
from bpfman_core.image.locate import locate, manifests, verify
from bpfman_core.image.reference import Reference
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.hostile import NAME, TAG, hostile_registry, reply
from tests.image.registries import free_port
from tests.image.signers import Key, Signed
from tests.image.test_build import new_image

ALWAYS, IF_NOT_PRESENT, NEVER = PullPolicy.ALWAYS, PullPolicy.IF_NOT_PRESENT, PullPolicy.NEVER
REGISTRY = "registry.invalid"
URL = f"{REGISTRY}/{NAME}:1"


@pytest.fixture
def seeds(tmp_path, built):
    """The configuration of a seed with the image URL; gives its digest, too."""
    image = built()
    signed = Signed(image, URL)
    signed.keep(tmp_path / "seed")
    return f'seeds = ["{tmp_path}/seed"]\n', image.top.digest


# ---- seeds stand in for registries that cannot be reached, and for nothing else


@pytest.mark.parametrize("registry", [REGISTRY, "127.0.0.1:{}"])
def test_a_seed_where_nobody_can_be_asked(tmp_path, configured, built, caplog, registry):
    url = f"{registry.format(free_port())}/{NAME}:1"
    Signed(built(), url).keep(tmp_path / "seed")
    there = configured(images=f'seeds = ["{tmp_path}/seed"]')
    found = find(ImageSource(url), there)
    assert found.source == f"seed:{tmp_path}/seed"
    (warning,) = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warning.startswith(f"cannot reach {registry.partition(':')[0]}")
    assert warning.endswith(f"in {tmp_path}/seed with digest {found.digest}")
    assert locate(url, there, None, IF_NOT_PRESENT).top.digest == found.digest
    for always in (lambda: find(ImageSource(url, ALWAYS), there), lambda: verify(url, there, None)):
        with pytest.raises(Unreachable):
            always()


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFound), (401, Denied), (403, Denied), (500, RegistryError)]
)
def test_no_seed_where_a_registry_answers(tmp_path, configured, built, status, error):
    with hostile_registry() as hostile:
        url = f"{hostile.host}/{NAME}:1"
        Signed(built(), url).keep(tmp_path / "seed")
        there = configured(images=f'seeds = ["{tmp_path}/seed"]')
        hostile.answers[TAG] = reply(b"", status)
        for look in (
            lambda: find(ImageSource(url), there),
            lambda: locate(url, there, None, IF_NOT_PRESENT),
        ):
            with pytest.raises(error) as caught:
                look()
            assert not isinstance(caught.value, Unreachable)


def test_a_damaged_seed_hides_no_other(tmp_path, configured, seeds, caplog):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/index.json").write_text("{")
    text = seeds[0].replace("[", f'["{tmp_path}/broken", ')
    assert find(ImageSource(URL), configured(images=text)).digest == seeds[1]
    assert f"the seed {tmp_path}/broken cannot be used" in caplog.text
    with pytest.raises(Unreachable, match="unknown host"):
        find(ImageSource(f"{REGISTRY}/other:1"), configured(images=text))


def test_a_seed_does_not_stand_in_for_what_is_refused(tmp_path, configured, seeds, built, cache):
    """The image in the cache was unsigned, and must be signed now; the seed is another one."""
    key = Key.make(tmp_path)
    policy = f'[signing]\nkeys = ["{key.path}"]\nallow_unsigned = false\n'
    image = built("xdp_drop", "drop")
    cache.put(
        Reference.parse(URL),
        image.top,
        image.blobs,
        signing={"io.bpfman.signing.verdict": "unsigned"},
    )
    with pytest.raises(Untrusted, match="has no signature"):
        find(ImageSource(URL), configured(policy, seeds[0]))


# ---- offline


def test_offline_no_registry_is_asked_for_anything(tmp_path, configured, seeds):
    offline = configured(images="offline = true\n" + seeds[0])
    with hostile_registry() as hostile:
        url = f"{hostile.host}/{NAME}:1"
        for ask in (
            lambda: find(ImageSource(url), offline),
            lambda: locate(url, offline, None, ALWAYS),
            lambda: locate(url, offline, None, IF_NOT_PRESENT),
            lambda: verify(url, offline, None),
        ):
            with pytest.raises(
                Unreachable, match=r"no registry is asked for .*: \[images\] offline"
            ):
                ask()
        assert hostile.seen == []
    assert locate(URL, offline, None, IF_NOT_PRESENT).source == f"seed:{tmp_path}/seed"


def test_never_asks_nobody(configured, seeds):
    with hostile_registry() as hostile, pytest.raises(NotFound, match="is not here"):
        locate(f"{hostile.host}/{NAME}:1", configured(images=seeds[0]), None, NEVER)
    assert hostile.seen == []
    assert locate(URL, configured(images=seeds[0]), None, NEVER).top.digest == seeds[1]


# ---- mirrors


@pytest.fixture
def mirror(good):
    with hostile_registry() as found:
        found.hold(good)
        yield found


def mirrored(*mirrors) -> str:
    hosts = ", ".join(f'"{mirror.host}"' for mirror in mirrors)
    return f'[registries."{REGISTRY}"]\nmirrors = [{hosts}]\n'


def test_an_unsigned_image_of_a_mirror_needs_no_registry(configured, mirror, good):
    there = configured(mirrored(mirror))
    found = find(ImageSource(URL), there)
    assert (found.digest, found.signature) == (good.top.digest, "unsigned")
    assert locate(URL, there, None, ALWAYS).source == f"registry:{mirror.host}"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_a_mirror_that_fails_is_passed_over(configured, mirror, good, monkeypatch, status):
    monkeypatch.setattr("bpfman_core.image.remote.exchange._BACKOFF", 0.01)
    with hostile_registry() as bad:
        bad.answers[TAG] = reply(b"", status)
        there = configured(mirrored(bad, mirror))
        assert find(ImageSource(URL), there).digest == good.top.digest
        assert locate(URL, there, None, ALWAYS).source == f"registry:{mirror.host}"
        assert bad.count(TAG) > 0


def test_a_mirror_with_a_damaged_image_is_passed_over(configured, mirror, good, cache):
    with hostile_registry() as bad:
        bad.hold(good)
        for digest in good.blobs:
            bad.answers[f"/v2/{NAME}/blobs/{digest}"] = reply(b"another")
        assert find(ImageSource(URL), configured(mirrored(bad, mirror))).digest == good.top.digest
        assert len(cache.images()) == 1


def test_the_error_is_the_registrys_own(configured, mirror):
    mirror.answers[TAG] = reply(b"", 500)
    with pytest.raises(Unreachable, match=rf"{REGISTRY} is an unknown host"):
        find(ImageSource(URL), configured(mirrored(mirror)))


def test_a_mirror_whose_image_is_refused(configured, mirror, built, tmp_path, seeds):
    """Nobody else can be asked: that it is refused is what the user must know, seed or not."""
    policy = f'[signing]\nkeys = ["{Key.make(tmp_path).path}"]\n'
    signed = Signed(built())
    signed.simple(Key.make(tmp_path))
    hold_signatures(mirror, signed)
    with pytest.raises(Untrusted, match="by another key"):
        find(ImageSource(URL), configured(mirrored(mirror) + policy, seeds[0]))


def test_a_signed_image_of_a_mirror_is_verified(configured, mirror, built, tmp_path):
    key, signed = Key.make(tmp_path), Signed(built())
    signed.simple(key)
    hold_signatures(mirror, signed)
    there = configured(mirrored(mirror) + f'[signing]\nkeys = ["{key.path}"]\n')
    assert verify(URL, there, None) == (signed.digest, f"key {key.path}")


def hold_signatures(hostile, signed) -> None:
    for tag, top in signed.tags().items():
        hostile.answers[f"/v2/{NAME}/manifests/{tag}"] = reply(
            signed.blobs[top.digest], kind=top.media_type
        )
    for digest, data in signed.blobs.items():
        hostile.answers[f"/v2/{NAME}/blobs/{digest}"] = reply(data)


def test_credentials_are_not_for_mirrors(configured, mirror):
    mirror.challenge = "Basic"
    with pytest.raises(Unreachable):
        find(ImageSource(URL, username="u", password="p"), configured(mirrored(mirror)))
    assert mirror.authorizations == {None}


# ---- what cannot be read of a cache is no obstacle to looking elsewhere


def test_a_cache_that_cannot_be_read(configured, mirror, cache, good):
    there = configured(mirrored(mirror))
    find(ImageSource(URL), there)
    cache.index_path.unlink()
    cache.index_path.mkdir()
    assert locate(URL, there, None, IF_NOT_PRESENT).source == f"registry:{mirror.host}"
    assert find(ImageSource(URL), there).digest == good.top.digest


def test_an_image_of_several_platforms_that_is_here_in_part(tmp_path, configured):
    write(tmp_path / "layout", {"quay.io/x/y:1": replace(new_image(), maps={})})
    found = locate(f"oci:{tmp_path}/layout", configured(), None, IF_NOT_PRESENT)
    assert [platform for platform, _ in manifests(found)] == ["linux/amd64", "linux/arm64"]
    for blob in list((tmp_path / "layout/blobs/sha256").iterdir()):
        if b'"arm64"' in blob.read_bytes() and b"manifests" not in blob.read_bytes():
            blob.unlink()
    assert [platform for platform, _ in manifests(found)] == ["linux/amd64"]
    with pytest.raises(InvalidObject):
        found.repository.read(replace(found.top, size=found.top.size + 1), 1 << 20)
