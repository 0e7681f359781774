"""What a test needs of the machine, and what must not be skipped for want of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from bpfman_core.errors import Unsupported

MUST_RUN = "BPFMAN_TEST_MUST_RUN"
"""The environment variable that names, separated by commas, the features a run must not lack."""


def requires(feature: str) -> None:
    """Raise Unsupported, so that the test is skipped, where one of FEATURES is missing."""
    present, missing = FEATURES[feature]
    if not present():
        raise Unsupported(missing, feature=feature)


def may_be_skipped(feature: str) -> bool:
    """Whether a test may be skipped for want of `feature`; else it fails."""
    return feature not in os.environ.get(MUST_RUN, "").split(",")


def _root() -> bool:
    return os.geteuid() == 0


def _command(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


FEATURES: dict[str, tuple[Callable[[], bool], str]] = {
    "root": (_root, "only root may load BPF programs"),
    "ip": (_command("ip"), "network namespaces are made with the `ip` command of iproute2"),
    "clang": (_command("clang"), "BPF programs are compiled with clang"),
    "bpftool": (
        _command("bpftool"),
        "BPF objects are loaded with bpftool, independently of bpfman",
    ),
    "make": (_command("make"), "BPF programs are compiled by make"),
    "docker-registry": (_command("docker-registry"), "images are pulled from a real registry"),
    "htpasswd": (_command("htpasswd"), "a registry reads passwords that htpasswd wrote"),
    "buildah": (_command("buildah"), "images are built by another tool than bpfman"),
    "skopeo": (_command("skopeo"), "images are copied by another tool than bpfman"),
    "podman": (_command("podman"), "images are pulled by another tool than bpfman"),
}
"""By its word: whether a feature is there, and the message where it is not.

The kernel's own features are not probed beforehand: what needs one raises Unsupported itself.
"""
