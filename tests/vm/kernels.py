"""Debian's stock kernels, fetched as packages and unpacked; nothing is installed."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

LINES = {
    "6.1": "linux-image-cloud-amd64",
    "6.12": "linux-image-6.12-cloud-amd64",
}
"""The metapackages that stand for the newest kernel of a line, in Debian 12."""


@dataclass(frozen=True)
class Kernel:
    """An unpacked kernel: its release, its image, and the directory of its modules."""

    release: str
    image: Path
    modules: Path


def fetch(line: str, store: Path) -> Kernel:
    """The newest kernel of a line, out of `store` if it is there."""
    package = _newest(LINES[line])
    release = package.removeprefix("linux-image-")
    directory = store / release
    if not directory.is_dir():
        _unpack(package, store, directory)
    return Kernel(
        release,
        next(directory.glob("boot/vmlinuz-*")),
        next(directory.glob("lib/modules/*")),
    )


def _newest(metapackage: str) -> str:
    """A metapackage depends on the package of the kernel that is newest today."""
    found = _dependency(metapackage)
    if found is None:
        _run("apt-get", "update", "-q")
        found = _dependency(metapackage)
    if found is None:
        raise SystemExit(f"apt offers no {metapackage}: bookworm and bookworm-security have it")
    return found


def _dependency(metapackage: str) -> str | None:
    command = ["apt-cache", "depends", metapackage]
    depends = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Depends: (linux-image-\d\S+)", depends)
    return found[1] if found else None


def _unpack(package: str, store: Path, directory: Path) -> None:
    store.mkdir(parents=True, exist_ok=True)
    _run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package, cwd=store)
    archive = next(store.glob(f"{package}_*.deb"))
    half = directory.with_suffix(".half")
    _run("dpkg-deb", "--extract", archive, half)
    half.rename(directory)
    archive.unlink()


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout
