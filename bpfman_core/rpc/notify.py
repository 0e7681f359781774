"""Tells systemd how the service is doing (sd_notify(3)); without systemd it does nothing."""

from __future__ import annotations

import os
import socket
import time


def ready() -> None:
    """Requests are answered from now on."""
    _send("READY=1")


def reloading() -> None:
    """The service is about to execute itself anew."""
    _send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def stopping() -> None:
    """The service is on its way out."""
    _send("STOPPING=1")


def _send(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(state.encode(), address)
