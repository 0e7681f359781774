"""The configuration's tables about images are read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfman_core.config import load_config
from bpfman_core.errors import InvalidRequest
from bpfman_core.image.settings import RegistrySettings
from bpfman_core.image.signing.policy import Identity, SigningPolicy

IDENTITY = "[[signing.trusted_identities]]\ncertificate_identity"


def test_defaults(configured):
    settings = configured()
    assert settings.registries == {}
    assert settings.signing == SigningPolicy(enabled=True, allow_unsigned=True)
    assert not settings.offline


def test_a_registry(configured):
    found = configured(
        '[registries."quay.io"]\nmirrors = ["m:1/x"]\ninsecure = true\nca = "/ca"\n'
        'auth_hosts = ["a"]\ntimeout = 2\n'
    )
    expected = RegistrySettings(("m:1/x",), insecure=True, ca="/ca", auth_hosts=("a",), timeout=2)
    assert found.registries == {"quay.io": expected}
    assert found.endpoint("quay.io").url == "http://quay.io"


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("quay.io", "https://quay.io"),
        ("docker.io", "https://registry-1.docker.io"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.3.2.1:5000", "http://127.3.2.1:5000"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000"),
        ("localhost.example", "https://localhost.example"),
    ],
)
def test_where_a_registry_is_asked(configured, registry, url):
    assert configured().endpoint(registry).url == url


def test_loopback_with_an_authority_of_its_own_is_asked_with_tls(configured):
    found = configured('[registries."localhost:5000"]\nca = "/ca"\n')
    assert found.endpoint("localhost:5000").url == "https://localhost:5000"


def test_a_signing_policy(configured):
    found = configured(
        '[signing]\nverify_enabled = true\nallow_unsigned = false\nkeys = ["/k"]\n'
        'trusted_root = "/r"\n[[signing.trusted_identities]]\ncertificate_identity = "a+b@c.d"\n'
        'certificate_oidc_issuer_regexp = "https://.*"\n'
    )
    (identity,) = found.signing.identities
    assert identity == Identity(r"a\+b@c\.d", "https://.*")
    assert identity.admits(("x", "a+b@c.d"), "https://issuer")
    assert not identity.admits(("a+b@c.d.evil",), "https://issuer")
    assert not identity.admits(("a+b@c.d",), "http://issuer")
    assert found.signing.keys == (Path("/k"),)
    assert not found.signing.allow_unsigned


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[signing]\nallow_unsinged = false", "signing has no allow_unsinged"),
        ("[signing]\nallow_unsigned = false", "nothing to tell a good signature by"),
        ("[signing]\nverify_enabled = 1", "cannot be 1"),
        ('[signing]\nkeys = "one"', "cannot be 'one'"),
        ("[signing]\nkeys = [1]", "a list of texts"),
        ("[[signing.trusted_identities]]", "either certificate_identity or"),
        (f'{IDENTITY} = "a"\ncertificate_oidc_issuer = "b"', "needs a trust root"),
        (f'{IDENTITY}_regexp = "("\ncertificate_oidc_issuer = "b"', "certificate_identity_regexp"),
        ('[registries."quay.io"]\nmirors = []', "has no mirors"),
        ('[registries."quay.io"]\ntimeout = 0', "a number of seconds above 0"),
        ('[registries]\n"quay.io" = 1', "is a table"),
        ("[sigining]\nallow_unsigned = false", "unknown table sigining"),
        ('[registry."quay.io"]', "unknown table registry"),
    ],
)
def test_what_makes_no_sense(configured, text, reason):
    with pytest.raises(InvalidRequest, match=reason):
        configured(text)


def test_another_unknown_table_is_passed_over(tmp_path):
    file = tmp_path / "bpfman.toml"
    file.write_text("[weather]\nfine = true\n")
    assert load_config(file).unknown == ("weather",)


def test_a_fingerprint_changes_with_the_policy_and_its_files(tmp_path):
    key = tmp_path / "key"
    key.write_text("one")
    policy = SigningPolicy(keys=(key,))
    before = policy.fingerprint()
    assert before == SigningPolicy(keys=(key,)).fingerprint()
    assert before != SigningPolicy(keys=(key,), allow_unsigned=False).fingerprint()
    key.write_text("two")
    assert policy.fingerprint() != before
    key.unlink()
    with pytest.raises(InvalidRequest, match="cannot read"):
        policy.fingerprint()
