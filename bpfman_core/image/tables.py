"""The tables of the configuration that are about images.

A key that nobody knows is an error here, not a warning: a slip of the pen must not open a registry
or a signing policy.

[images]
offline = false                      # ask no registry; seeds stand in
seeds = ["/srv/images"]              # layouts to fall back on; [] turns them all off
[registries."quay.io"]
mirrors = ["mirror.example:5000/quay"] # asked before the registry itself, in this order
insecure = false                     # plain http; the default for loopback addresses
ca = "/etc/ssl/corp.pem"             # the authorities to trust, in place of the system's
auth_hosts = ["login.example"]       # hosts besides its own that may be sent credentials for it
timeout = 30                         # seconds of silence, or of waiting for a connection
[signing]
verify_enabled = true
allow_unsigned = true
keys = ["/etc/bpfman/release.pub"]
trusted_root = "/etc/bpfman/trusted_root.json"
[[signing.trusted_identities]]
certificate_identity = "release@example.org"       # or certificate_identity_regexp
certificate_oidc_issuer = "https://issuer.example" # or certificate_oidc_issuer_regexp
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from bpfman_core.config import Config
from bpfman_core.errors import InvalidRequest
from bpfman_core.image.reference import Reference
from bpfman_core.image.settings import ImageSettings, RegistrySettings
from bpfman_core.image.signing.policy import Identity, SigningPolicy
from bpfman_core.model import Json

_LONGEST = 3600  # seconds


def image_settings(config: Config, cache: Path) -> ImageSettings:
    """What the configuration says of images, and where their cache is. Raises InvalidRequest."""
    registries = {
        host: _registry(_Table(f'registries."{host}"', row))
        for host, row in config.registries.items()
    }
    signing = signing_policy(config.signing)
    return ImageSettings(cache, config.offline, config.seeds, registries, signing)


def _registry(table: _Table) -> RegistrySettings:
    found = RegistrySettings(
        mirrors=tuple(_mirror(table.name, text) for text in table.words("mirrors")),
        insecure=table.truth("insecure", None),
        ca=table.word("ca"),
        auth_hosts=table.words("auth_hosts"),
        timeout=table.seconds("timeout", RegistrySettings.timeout),
    )
    table.finish()
    return found


def _mirror(table: str, text: str) -> str:
    """A registry, or a place in one. Its host must be plain: `x` alone would be docker.io/x."""
    if Reference.parse(f"{text}/any/one").name != f"{text}/any/one":
        raise InvalidRequest(f"{table}: the mirror {text!r} names no host", hint="write HOST/PATH")
    return text


def signing_policy(content: Mapping[str, Json]) -> SigningPolicy:
    """What the table `[signing]` means. Raises InvalidRequest."""
    table = _Table("signing", content)
    rows = table.take("trusted_identities", list, [])
    identities = tuple(_identity(_Table("signing.trusted_identities", row)) for row in rows)
    root = table.word("trusted_root")
    found = SigningPolicy(
        enabled=table.truth("verify_enabled", True) is not False,
        allow_unsigned=table.truth("allow_unsigned", True) is not False,
        keys=tuple(Path(key) for key in table.words("keys")),
        identities=identities,
        trusted_root=None if root is None else Path(root),
    )
    table.finish()
    if identities and root is None:
        raise InvalidRequest(
            "signing.trusted_identities needs a trust root",
            hint="name a trusted_root.json as signing.trusted_root",
        )
    if not found.allow_unsigned and not found.judges:
        raise InvalidRequest(
            "signing.allow_unsigned = false has nothing to tell a good signature by",
            hint="name keys or trusted_identities",
        )
    return found


def _identity(table: _Table) -> Identity:
    subject = _pattern(table, "certificate_identity")
    issuer = _pattern(table, "certificate_oidc_issuer")
    table.finish()
    return Identity(subject, issuer)


def _pattern(table: _Table, key: str) -> str:
    """A regular expression: the plain value quoted, or the one under `key`_regexp."""
    plain, regexp = table.word(key), table.word(f"{key}_regexp")
    if (plain is None) == (regexp is None):
        raise InvalidRequest(f"{table.name} needs either {key} or {key}_regexp")
    if regexp is None:
        return re.escape(str(plain))
    try:
        re.compile(regexp)
    except re.error as error:
        raise InvalidRequest(f"{table.name}: {key}_regexp: {error}") from None
    return regexp


class _Table:
    """A table whose keys are taken one by one, so that those left over are unknown."""

    def __init__(self, name: str, content: Json) -> None:
        if not isinstance(content, Mapping):
            raise InvalidRequest(f"{name} is a table: [{name}]")
        self.name = name
        self._left = dict(content)

    def take(self, key: str, kind: type, default: Json) -> Json:
        value = self._left.pop(key, None)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise InvalidRequest(f"{self.name}: {key} cannot be {value!r}")
        return value

    def word(self, key: str) -> str | None:
        value = self.take(key, str, None)
        return None if value is None else str(value)

    def words(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise InvalidRequest(f"{self.name}: {key} is a list of texts")
        return tuple(values)

    def truth(self, key: str, default: bool | None) -> bool | None:
        value = self.take(key, bool, default)
        return None if value is None else bool(value)

    def seconds(self, key: str, default: float) -> float:
        value = self._left.pop(key, default)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= _LONGEST:
            raise InvalidRequest(
                f"{self.name}: {key} is a number of seconds above 0, at most {_LONGEST}"
            )
        return float(value)

    def finish(self) -> None:
        if self._left:
            raise InvalidRequest(f"{self.name} has no {' nor '.join(sorted(self._left))}")
