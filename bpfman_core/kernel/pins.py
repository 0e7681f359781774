"""Pins: names in a bpffs that keep programs, maps and links alive without a process."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from bpfman_core.errors import KernelError
from bpfman_core.kernel.attr import address, buffer, pack
from bpfman_core.kernel.fd import Fd
from bpfman_core.kernel.syscall import Command, bpf, mount


def ensure_bpffs(directory: Path) -> None:
    """Make sure that `directory` is the root of a bpffs; mount one where it is not."""
    directory.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(directory):
        mount("bpffs", str(directory), "bpf")


def pin(fd: Fd, path: Path) -> None:
    """Give a program, map or link a name. KernelError with EEXIST where the name is taken.

    bpffs refuses a dot in any name with EPERM (kernel/bpf/inode.c, bpf_lookup).
    """
    held = buffer(os.fsencode(path) + b"\0")
    bpf(Command.OBJ_PIN, pack("QII", address(held), fd.fileno(), 0))


def open_pin(path: Path) -> Fd:
    """Open what is pinned there; KernelError with ENOENT where nothing is."""
    held = buffer(os.fsencode(path) + b"\0")
    return Fd(bpf(Command.OBJ_GET, pack("QII", address(held), 0, 0)))


def open_pin_if_any(path: Path) -> Fd | None:
    """Open what is pinned there, or None where nothing is."""
    try:
        return open_pin(path)
    except KernelError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def unpin(path: Path) -> None:
    """Remove a pin; that it is gone already is fine."""
    path.unlink(missing_ok=True)


def remove_directory(directory: Path) -> None:
    """Remove a directory of pins with all that is pinned in it; that it is gone is fine."""
    try:
        entries = list(directory.iterdir())
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir():
            remove_directory(entry)
        else:
            unpin(entry)
    directory.rmdir()
