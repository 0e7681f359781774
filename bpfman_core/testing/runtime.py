"""A runtime directory of one's own, with a bpffs in it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bpfman_core.kernel.pins import ensure_bpffs
from bpfman_core.paths import Paths
from bpfman_core.testing.network import PREFIX


@contextmanager
def private_runtime() -> Iterator[Paths]:
    """Paths below a fresh directory, short enough for a socket; all gone at the end.

    Whatever is still pinned there is let go of.
    """
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    runtime = root / "run"
    paths = Paths(runtime, runtime / "bpfman.sock", root / "bpfman.toml", root / "data")
    try:
        ensure_bpffs(paths.bpffs)
        yield paths
    finally:
        for mounted in reversed(mounts(root)):
            subprocess.run(["umount", str(mounted)], check=True)
        shutil.rmtree(root)


def environment(paths: Paths) -> dict[str, str]:
    """The variables that make bpfman use `paths`."""
    return {
        "BPFMAN_RUNTIME_DIR": str(paths.runtime),
        "BPFMAN_CONFIG": str(paths.config),
        "BPFMAN_DATA_DIR": str(paths.data),
    }


def mounts(root: Path) -> list[Path]:
    """The mount points below a directory, in the order they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = (Path(line.split()[4]) for line in lines)
    return [point for point in points if point.is_relative_to(root)]
