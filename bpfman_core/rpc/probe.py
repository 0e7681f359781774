"""Whether a service listens: a question so cheap that every command asks it."""

from __future__ import annotations

import socket
from pathlib import Path


def available(path: Path) -> bool:
    """Whether something accepts connections on the unix socket `path`, for this user."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
