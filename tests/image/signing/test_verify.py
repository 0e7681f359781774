"""`bpfman image verify`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.conftest import BPFMAN
from tests.image.signers import (
    HOME,
    KEYS,
    WHO,
    keys,
)


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
