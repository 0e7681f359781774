"""URLs that a registry sends us to: only those about which nobody can be of two minds.

HTTP clients disagree on what the host of an odd URL is (backslashes, user names, blanks); whoever
checks one reading and connects by another sends secrets to the wrong place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

_URL = re.compile(
    r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?"
    r"(?:[/?][!-~]*)?",
    re.IGNORECASE,
)
_ODD = re.compile(r'[\\"<>^`{|}]')
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Origin:
    """Whom a URL asks; two with the same origin may see the same secrets (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


def origin(url: str) -> Origin:
    """The origin of a URL. Raises ValueError, in words, for anything but a plain http(s) one."""
    found = _URL.fullmatch(url)
    if found is None or _ODD.search(url):
        raise ValueError(f"{url[:100]!r}, which is no plain URL")
    scheme, host = found[1].lower(), found[2].lower()
    port = int(found[3]) if found[3] else _PORTS[scheme]
    if not 0 < port < 1 << 16:
        raise ValueError(f"{url[:100]!r}, which is no plain URL")
    return Origin(scheme, host, port)


def follow(url: str, location: str) -> str:
    """Where a Location header leads from `url`. Raises ValueError, in words.

    Neither to anything but http and https, nor from https to http.
    """
    if re.match(r"(?!https?:)[a-z+.-]+:", location, re.IGNORECASE):
        raise ValueError(f"{location[:100]}, which is not safe")
    try:
        there = urljoin(url, location)
    except ValueError:
        there = location
    if origin(there).scheme == "http" and origin(url).scheme == "https":
        raise ValueError(f"{origin(there)}, which is not safe")
    return there
