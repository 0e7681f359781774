"""How a registry asks for credentials (RFC 9110, 11.6.1), and who may be given them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bpfman_core.errors import Denied
from bpfman_core.image.remote.urls import origin
from bpfman_core.image.settings import Endpoint, host_of

_PARAMETER = re.compile(r'(?<![a-zA-Z])([a-zA-Z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(r"(?:^|,)\s*(basic|bearer)(?=[\s,]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Challenge:
    """One way to authenticate: `scheme` is `basic` or `bearer`."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(header: str) -> tuple[Challenge, ...]:
    """The ways that a WWW-Authenticate header offers, of those known here."""
    starts = list(_SCHEME.finditer(header))
    bounds = [*(start.start() for start in starts), len(header)]
    return tuple(
        Challenge(start[1].lower(), _parameters(header[start.end() : end]))
        for start, end in zip(starts, bounds[1:], strict=True)
    )


def _parameters(text: str) -> dict[str, str]:
    return {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(text)
    }


def check_realm(realm: str, endpoint: Endpoint, *, secret: bool) -> None:
    """Raise Denied unless this token server may be asked for the registry, with a `secret` or none.

    It must be no less protected on the way than the registry. To be sent a secret it must be the
    registry's own host, one below it or the domain that it is in, or be named in the configuration.
    """
    try:
        asked = origin(realm)
    except ValueError as error:
        raise Denied(f"{endpoint.registry} names a token server at {error}") from None
    host = asked.host.strip("[]")
    if asked.scheme == "http" and not endpoint.plain:
        raise Denied(
            f"{endpoint.registry} names a token server that is asked without protection: {realm}"
        )
    if (
        secret
        and not _is_kin(host, (host_of(endpoint.registry), host_of(endpoint.host)))
        and (host not in endpoint.settings.auth_hosts)
    ):
        raise Denied(
            f"{endpoint.registry} wants your credentials sent to {host}; they were not",
            hint=f'if that is right, allow it: [registries."{endpoint.registry}"] '
            f'auth_hosts = ["{host}"]',
        )


def _is_kin(host: str, own: Iterable[str]) -> bool:
    return any(
        host == name
        or host.endswith(f".{name}")
        or ("." in host and not host[-1].isdigit() and name.endswith(f".{host}"))
        for name in map(str.lower, own)
    )
