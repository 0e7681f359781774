"""How registries are asked, and what is asked of images: the configuration, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bpfman_core.image.signing.policy import SigningPolicy

_HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"


@dataclass(frozen=True)
class RegistrySettings:
    """How one registry is asked. `insecure` is None where nothing is said; `timeout` is seconds."""

    mirrors: tuple[str, ...] = ()
    insecure: bool | None = None
    ca: str | None = None
    auth_hosts: tuple[str, ...] = ()
    timeout: float = 30.0


@dataclass(frozen=True)
class Endpoint:
    """Where the requests for a registry go: `host` may have a port."""

    registry: str
    host: str
    plain: bool
    settings: RegistrySettings

    @property
    def url(self) -> str:
        """Its root."""
        return f"{'http' if self.plain else 'https'}://{self.host}"


@dataclass(frozen=True)
class ImageSettings:
    """All that pulling and pushing needs to know. `seeds` is None for those that ship."""

    cache: Path
    offline: bool = False
    seeds: tuple[Path, ...] | None = None
    registries: Mapping[str, RegistrySettings] = field(default_factory=dict)
    signing: SigningPolicy = field(default_factory=SigningPolicy)

    def endpoint(self, registry: str) -> Endpoint:
        """Where a registry is asked, by its name in references."""
        settings = self.registries.get(registry, RegistrySettings())
        plain = settings.insecure
        if plain is None:
            plain = settings.ca is None and is_loopback(host_of(registry))
        host = _HUB_HOST if registry == _HUB else registry
        return Endpoint(registry, host, plain, settings)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address."""
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(netloc: str) -> str:
    """A host without its port and brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0]
