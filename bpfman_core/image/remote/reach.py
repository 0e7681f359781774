"""Whether a registry can be reached at all, found out without importing an HTTP client."""

from __future__ import annotations

import os

from bpfman_core.errors import Unreachable
from bpfman_core.image.settings import Endpoint, host_of, is_loopback

_PROXIES = ("https_proxy", "http_proxy", "all_proxy")
_CONNECT = 10.0  # seconds


def check_reachable(endpoint: Endpoint) -> None:
    """Raise Unreachable where nobody listens at the registry's address, or there is no address.

    Behind a proxy nothing can be said beforehand; this machine itself is behind none.
    """
    import socket

    host = host_of(endpoint.host)
    if not is_loopback(host) and any(
        os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES
    ):
        return
    _, _, port = endpoint.host.rpartition(":") if _has_port(endpoint.host) else ("", "", "")
    address = (host, int(port or (80 if endpoint.plain else 443)))
    try:
        socket.create_connection(address, min(_CONNECT, endpoint.settings.timeout)).close()
    except socket.gaierror as error:
        raise Unreachable(
            f"cannot reach {endpoint.registry}: {address[0]} is an unknown host: {error.strerror}"
        ) from None
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Unreachable(f"cannot reach {endpoint.registry}: {why}") from None


def _has_port(netloc: str) -> bool:
    return ":" in netloc.rpartition("]")[2]
