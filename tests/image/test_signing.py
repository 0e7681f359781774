"""A signature counts if it is of this very image, by somebody whom the policy trusts."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import InvalidRequest, RegistryError, Untrusted
from bpfman_core.image.layout import REFERENCE, Layout
from bpfman_core.image.places import open_repository
from bpfman_core.image.push import push
from bpfman_core.image.reference import Reference
from bpfman_core.image.signing import simple
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.cli.conftest import BPFMAN
from tests.image import sigstore_world
from tests.image.registries import serving
from tests.image.signers import Key, Signed, compact, envelope_bundle, payload, statement
from tests.image.sigstore_world import World

FIXTURES = Path(__file__).parents[1] / "fixtures"
KEYS = FIXTURES / "keys"
HOME = f"oci:{FIXTURES}/third-party-images:quay.io/bpfman-bytecode"
STRICT = "allow_unsigned = false\n"
NEVER = PullPolicy.NEVER


def keys(*paths: Path) -> str:
    return f"[signing]\nkeys = {json.dumps(list(map(str, paths)))}\n"


@pytest.fixture
def key(tmp_path) -> Key:
    return Key.make(tmp_path)


@pytest.fixture
def other(tmp_path) -> Key:
    return Key.make(tmp_path)


@pytest.fixture
def signed(built) -> Signed:
    return Signed(built())


@pytest.fixture
def verdict(configured, tmp_path):
    """What is said of an image in a layout of its own, under a policy."""

    def said(image: Signed, policy: str) -> str:
        shutil.rmtree(tmp_path / "layout", ignore_errors=True)
        url = image.keep(tmp_path / "layout")
        return find(ImageSource(url), configured(policy)).signature

    return said


# ---- signatures of real cosign


@pytest.mark.parametrize("name", ["by-buildah:oci", "by-buildah:multi-oci"])
def test_a_signature_of_cosign(configured, name):
    def said(policy: str) -> str:
        return find(ImageSource(f"{HOME}/{name}"), configured(policy)).signature

    right, wrong = KEYS / "cosign.pub", KEYS / "other.pub"
    assert said(keys(right)) == f"verified: key {right}"
    assert said(keys(wrong, right) + STRICT) == f"verified: key {right}"
    assert said("") == "signed, not verified"
    with pytest.raises(Untrusted, match="by another key"):
        said(keys(wrong))


def test_a_signed_index_says_nothing_of_its_parts_alone(configured, tmp_path):
    """Each digest has its own signature: one may be pulled without the other."""
    shutil.copytree(FIXTURES / "third-party-images", tmp_path / "copy")
    layout = Layout(tmp_path / "copy")
    top = next(one for one in layout.entries() if one.annotations[REFERENCE].endswith(":multi-oci"))
    index = json.loads(layout.read(top, top.size))
    row = next(r for r in index["manifests"] if r["platform"]["architecture"] == "amd64")
    index = json.loads(layout.index_path.read_bytes())
    index["manifests"].append({**row, "annotations": {REFERENCE: "quay.io/bpfman-bytecode/x:1"}})
    layout.index_path.write_text(json.dumps(index))
    source = ImageSource(f"oci:{layout.directory}@{row['digest']}")
    policy = keys(KEYS / "cosign.pub")
    assert find(source, configured(policy)).signature == "unsigned"
    with pytest.raises(Untrusted, match="has no signature"):
        find(source, configured(policy + STRICT))


# ---- signatures of our own: what counts


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_keys_of_every_kind(signed, verdict, tmp_path, kind, form):
    key = Key.make(tmp_path, kind)
    getattr(signed, form)(key)
    assert verdict(signed, keys(key.path) + STRICT) == f"verified: key {key.path}"
    assert verdict(signed, "") == "signed, not verified"


@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_one_good_signature_among_others_is_enough(signed, verdict, key, other, form):
    for one in (other, key, other):
        getattr(signed, form)(one)
    assert verdict(signed, keys(key.path)) == f"verified: key {key.path}"


ELSEWHERE = "sha256:" + "0" * 64
FORGED = {
    "another key": (lambda s, _, other: s.simple(other), "by another key"),
    "replayed": (lambda s, k, _: s.simple(k, payload(ELSEWHERE)), "for another image"),
    "another type": (
        lambda s, k, _: s.simple(k, payload(s.digest, "attestation")),
        "of another kind",
    ),
    "tampered": (
        lambda s, k, _: s.simple(k, payload(ELSEWHERE), claimed=payload(s.digest)),
        "by another key",
    ),
    "no statement": (lambda s, k, _: s.simple(k, b"[]"), "no statement about an image"),
    "no JSON": (lambda s, k, _: s.simple(k, b"\xff"), "no statement about an image"),
    "no base64": (lambda s, k, _: s.simple(k, **{simple.SIGNATURE: "!"}), "no base64"),
    "unknown form": (lambda s, k, _: s.simple(k, media_type="text/plain"), "unknown form"),
    "bundle, another key": (lambda s, _, other: s.bundle(other), "by another key"),
    "bundle, replayed": (lambda s, k, _: s.bundle(k, statement(ELSEWHERE)), "for another image"),
    "bundle, no subject": (lambda s, k, _: s.bundle(k, statement("", subject=5)), "names no image"),
    "bundle, odd type": (
        lambda s, k, _: s.bundle(k, statement(s.digest, _type="x")),
        "of an unknown kind",
    ),
    "bundle, tampered": (
        lambda s, k, _: s.bundle(k, text=envelope_bundle(statement(s.digest), k.sign(b"x"))),
        "by another key",
    ),
    "bundle, malformed": (lambda s, k, _: s.bundle(k, text=b"{}"), "malformed bundle"),
    "bundle, no JSON": (lambda s, k, _: s.bundle(k, text=b"x"), "malformed bundle"),
    "bundle of a message": (
        lambda s, k, _: s.bundle(
            k, text=compact({"verificationMaterial": {}, "messageSignature": {}})
        ),
        "unknown form",
    ),
}


@pytest.mark.parametrize(("forge", "reason"), FORGED.values(), ids=FORGED)
def test_what_does_not_count(signed, verdict, key, other, forge, reason):
    forge(signed, key, other)
    for policy in (keys(key.path), keys(key.path) + STRICT):
        with pytest.raises(Untrusted, match=reason):
            verdict(signed, policy)
    assert verdict(signed, "") == "signed, not verified"


def test_a_place_for_signatures_without_any(signed, verdict, key):
    signed.no_layers = True
    with pytest.raises(Untrusted, match="no layers"):
        verdict(signed, keys(key.path))


PROVENANCE = "https://slsa.dev/provenance/v1"


@pytest.mark.parametrize(
    "add",
    [
        lambda s, k: s.bundle(k, statement(s.digest, predicateType=PROVENANCE)),
        lambda s, k: s.bundle(k, subject=ELSEWHERE),
    ],
    ids=["another statement about the image", "a statement about another image"],
)
def test_what_is_no_signature_at_all(signed, verdict, key, add):
    add(signed, key)
    assert verdict(signed, keys(key.path)) == "unsigned"
    with pytest.raises(Untrusted, match="has no signature"):
        verdict(signed, keys(key.path) + STRICT)


def test_a_signature_without_a_trust_root(signed, verdict, key):
    signed.simple(key, **{simple.CERTIFICATE: "x"})
    with pytest.raises(Untrusted, match="no identity is trusted"):
        verdict(signed, keys(key.path))


# ---- policies


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


# ---- registries, and the cache


@pytest.fixture
def published(registries, configured):
    """Pushes an image and what is about it to a registry; gives its URL."""

    def made(image: Signed, name: str) -> str:
        url = registries("open").reference(name)
        place = Reference.parse(url)
        target = open_repository(place, configured(), actions="pull,push")
        tags = image.tags()
        blobs = {**image.image.blobs, **image.blobs}
        push(image.image.top, lambda one, _: blobs[one.digest], target, place.tag)
        for tag, top in tags.items():
            push(top, lambda one, _: blobs[one.digest], target, tag)
        return url

    return made


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


# ---- certificates, in the old form


def trusted(identity: str, issuer: str, root: Path = KEYS / "trusted_root.json") -> str:
    return (
        f'[signing]\ntrusted_root = "{root}"\n[[signing.trusted_identities]]\n'
        f"certificate_identity{identity}\ncertificate_oidc_issuer{issuer}\n"
    )


IDENTITY, ISSUER = ' = "spike@example.org"', ' = "https://issuer.example"'
WHO = "verified: spike@example.org (of https://issuer.example)"


@pytest.mark.parametrize("identity", [IDENTITY, '_regexp = ".*@example[.]org"'])
@pytest.mark.parametrize("issuer", [ISSUER, '_regexp = "https://.*"'])
def test_a_certificate(configured, identity, issuer):
    source = ImageSource(f"{HOME}/keyless:1")
    assert find(source, configured(trusted(identity, issuer))).signature == WHO


@pytest.mark.parametrize(
    ("identity", "issuer"),
    [
        (' = "another@example.org"', ISSUER),
        (IDENTITY, ' = "https://other.example"'),
        ('_regexp = "spike@example"', ISSUER),
        ('_regexp = "example.org"', ISSUER),
    ],
)
def test_a_certificate_of_somebody_else(configured, identity, issuer):
    with pytest.raises(Untrusted, match=r"by spike@example\.org \(of https://issuer\.example\)"):
        find(ImageSource(f"{HOME}/keyless:1"), configured(trusted(identity, issuer)))


@pytest.fixture
def keyless(tmp_path):
    """Changes the annotations of the signature by certificate; gives the image's URL."""

    def made(change) -> str:
        shutil.copytree(FIXTURES / "third-party-images", tmp_path / "copy")
        layout = Layout(tmp_path / "copy")
        index = json.loads(layout.index_path.read_bytes())
        row = next(r for r in index["manifests"] if "keyless:sha256" in str(r["annotations"]))
        manifest = json.loads(layout.blob_path(row["digest"]).read_bytes())
        change(manifest["layers"][0]["annotations"])
        data = compact(manifest)
        from bpfman_core.image.descriptor import Descriptor

        new = Descriptor.of(row["mediaType"], data)
        layout.blob_path(new.digest).write_bytes(data)
        row |= {"digest": new.digest, "size": new.size}
        layout.index_path.write_text(json.dumps(index))
        return f"oci:{layout.directory}:quay.io/bpfman-bytecode/keyless:1"

    return made


def later(notes: dict) -> None:
    receipt = json.loads(notes[simple.RECEIPT])
    receipt["Payload"]["integratedTime"] += 1
    notes[simple.RECEIPT] = json.dumps(receipt)


def of_another_log(notes: dict) -> None:
    receipt = json.loads(notes[simple.RECEIPT])
    receipt["Payload"]["logID"] = "0" * 64
    notes[simple.RECEIPT] = json.dumps(receipt)


def without_receipt(notes: dict) -> None:
    del notes[simple.RECEIPT]


def another_signature(notes: dict) -> None:
    raw = bytearray(base64.b64decode(notes[simple.SIGNATURE]))
    raw[-1] ^= 1
    notes[simple.SIGNATURE] = base64.b64encode(raw).decode()


def malformed(notes: dict) -> None:
    notes[simple.RECEIPT] = "[]"


def no_certificate(notes: dict) -> None:
    notes[simple.CERTIFICATE] = "text"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (later, "does not hold"),
        (of_another_log, "log that is not trusted"),
        (without_receipt, "no receipt"),
        (another_signature, "for another one"),
        (malformed, "malformed"),
        (no_certificate, "malformed"),
    ],
)
def test_a_certificate_with_something_wrong(configured, keyless, change, reason):
    url = keyless(change)
    with pytest.raises(Untrusted, match=reason):
        find(ImageSource(url), configured(trusted(IDENTITY, ISSUER)))


@pytest.mark.parametrize("part", ["tlogs", "ctlogs", "certificateAuthorities"])
def test_a_certificate_under_another_root(configured, tmp_path, part):
    root = json.loads((KEYS / "trusted_root.json").read_text())
    root[part] = []
    (tmp_path / "root.json").write_text(json.dumps(root))
    settings = configured(trusted(IDENTITY, ISSUER, tmp_path / "root.json"))
    with pytest.raises(Untrusted, match=r"not trusted|no trusted"):
        find(ImageSource(f"{HOME}/keyless:1"), settings)


@pytest.mark.parametrize("text", ["", "{}", '{"tlogs": 5}'])
def test_a_root_that_is_none(configured, tmp_path, text):
    (tmp_path / "root.json").write_text(text)
    settings = configured(trusted(IDENTITY, ISSUER, tmp_path / "root.json"))
    with pytest.raises(InvalidRequest, match="is no trust root"):
        find(ImageSource(f"{HOME}/keyless:1"), settings)


# ---- certificates, in the new form


@pytest.fixture
def world() -> World:
    return World()


def by(world: World, directory: Path, who: str = sigstore_world.IDENTITY) -> str:
    root = world.trusted_root(directory / "root.json")
    return trusted(f' = "{who}"', f' = "{sigstore_world.ISSUER}"', root)


def test_a_bundle_by_a_certificate(signed, verdict, key, world, tmp_path):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    expected = f"verified: {sigstore_world.IDENTITY} (of {sigstore_world.ISSUER})"
    assert verdict(signed, by(world, tmp_path)) == expected
    assert verdict(signed, "") == "signed, not verified"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda w, s: w.sign(statement(ELSEWHERE)), "for another image"),
        (lambda w, s: World().sign(statement(s.digest)), "does not hold"),
        (
            lambda w, s: w.sign(statement(s.digest), logged=statement(ELSEWHERE)),
            "payload hash does not match",
        ),
        (
            lambda w, s: w.sign(statement(s.digest)).replace(b'"treeSize":"1"', b'"treeSize":"2"'),
            "does not hold",
        ),
        (
            lambda w, s: compact(
                {
                    **json.loads(w.sign(statement(ELSEWHERE))),
                    "dsseEnvelope": json.loads(envelope_bundle(statement(s.digest), b"x"))[
                        "dsseEnvelope"
                    ],
                }
            ),
            "does not hold",
        ),
    ],
    ids=["replayed", "another world", "another entry", "another tree", "another envelope"],
)
def test_a_bundle_with_something_wrong(signed, verdict, key, world, tmp_path, make, reason):
    signed.bundle(key, text=make(world, signed))
    policy = by(world, tmp_path)
    with pytest.raises(Untrusted, match=reason):
        verdict(signed, policy)


def test_a_bundle_of_somebody_else(signed, verdict, key, world, tmp_path):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    with pytest.raises(Untrusted, match=r"by release@example\.org"):
        verdict(signed, by(world, tmp_path, "another@example.org"))
    with pytest.raises(Untrusted, match="no identity is trusted"):
        verdict(signed, keys(key.path))


def test_a_bundle_without_the_extra(signed, verdict, key, world, tmp_path, monkeypatch):
    signed.bundle(key, text=world.sign(statement(signed.digest)))
    monkeypatch.setitem(sys.modules, "sigstore.verify", None)
    with pytest.raises(Untrusted, match=r"pip install bpfman\[sigstore\]"):
        verdict(signed, by(world, tmp_path))


# ---- the command


def verify(*words: object, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = ["env", f"BPFMAN_CONFIG={config or '/nonexistent'}"]
    command = [*environment, BPFMAN, "image", "verify", *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_the_command(tmp_path):
    url, right = f"{HOME}/by-buildah:oci", KEYS / "cosign.pub"
    done = verify(url, "--key", right)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{url}@sha256:")
    assert done.stdout.endswith(f": verified: key {right}\n")
    done = verify(url, "--key", KEYS / "other.pub")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bpfman: no signature of the image sha256:")
    assert done.stderr.count("\n") == 1
    assert verify(url).returncode == 2
    config = tmp_path / "bpfman.toml"
    config.write_text(keys(right))
    assert verify(url, config=config).returncode == 0
    assert verify(f"{HOME}/by-oras-py:latest", config=config).returncode == 1


def test_the_command_with_an_identity():
    who = ("--certificate-identity", "spike@example.org")
    issuer = ("--certificate-oidc-issuer", "https://issuer.example")
    root = ("--trusted-root", KEYS / "trusted_root.json")
    done = verify(f"{HOME}/keyless:1", *who, *issuer, *root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f": {WHO}\n")
    assert verify(f"{HOME}/keyless:1", *who, *root).returncode == 1
    assert verify(f"{HOME}/keyless:1", *who, *issuer).returncode == 1


def test_against_a_registry(signed, published, key):
    signed.simple(key)
    done = verify(published(signed, "team/verified:1"), "--key", key.path)
    assert (done.returncode, done.stderr) == (0, "")
