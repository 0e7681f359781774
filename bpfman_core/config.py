"""/etc/bpfman/bpfman.toml. Without the file everything is at its default.

[service]
timeout = 0                # seconds without a request after which the service ends; 0 is never
on_stop = "unload"         # or "keep": what becomes of the programs when the service is stopped
[images]                   # see image.tables, also for [registries] and [signing]
offline = false            # ask no registry
seeds = []                 # directories with images to fall back on; [] turns that off
[interfaces.eth0]
xdp_mode = "drv"           # what the plugins of program types read
tc_hook = "clsact"
[plugins]
load = ["xdp"]             # only these, if any are named
disable = ["tracepoint"]
[database]
lock_timeout = 60          # seconds to wait for another writer
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from bpfman_core.errors import Denied, InvalidRequest
from bpfman_core.model import Json

_log = logging.getLogger(__name__)

_LOCK_TIMEOUT = 60.0  # seconds

_KNOWN: Mapping[str, frozenset[str] | None] = {
    "service": frozenset({"timeout", "on_stop"}),
    "images": frozenset({"offline", "seeds"}),
    "plugins": frozenset({"load", "disable"}),
    "database": frozenset({"lock_timeout", "max_retries", "millisec_delay"}),
    "interfaces": None,
    "signing": None,
    "registries": None,
}
"""The tables, and the keys of those that are read here."""

_GUARDS = ("signing", "registries")
"""Tables that protect: a misspelt one must not be passed over."""


@dataclass(frozen=True)
class ServiceConfig:
    """`[service]`. `timeout` is None where the file does not say."""

    timeout: float | None = None
    on_stop: str = "unload"


@dataclass(frozen=True)
class Config:
    """The whole file. `seeds` is None where it does not say; `unknown` are keys nobody reads."""

    service: ServiceConfig = ServiceConfig()
    offline: bool = False
    seeds: tuple[Path, ...] | None = None
    load_plugins: tuple[str, ...] = ()
    disable_plugins: tuple[str, ...] = ()
    lock_timeout: float = _LOCK_TIMEOUT
    interfaces: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    signing: Mapping[str, Json] = field(default_factory=dict)
    registries: Mapping[str, Json] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def load_config(path: Path) -> Config:
    """Read the file, if there is one; unknown keys are logged as a warning.

    Raises InvalidRequest, with the line or the key, for a file that makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except PermissionError:
        raise Denied(f"{path}: you may not read it", hint="run this as root") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path}: {error}") from None
    config = _config(_Document(path, _parsed(text, path)))
    for name in config.unknown:
        if difflib.get_close_matches(name, _GUARDS, n=1):
            raise InvalidRequest(f"{path}: unknown table {name}", hint="see its spelling")
    if config.unknown:
        _log.warning("%s: unknown: %s", path, ", ".join(config.unknown))
    return config


def _parsed(text: str, path: Path) -> dict[str, Json]:
    import tomli

    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise InvalidRequest(f"{path}: {error}") from None


def _config(document: _Document) -> Config:
    seeds = document.words("images", "seeds")
    return Config(
        service=ServiceConfig(
            timeout=document.number("service", "timeout"),
            on_stop=document.choice("service", "on_stop", ("unload", "keep")),
        ),
        offline=document.truth("images", "offline"),
        seeds=None if seeds is None else tuple(Path(seed) for seed in seeds),
        load_plugins=document.words("plugins", "load") or (),
        disable_plugins=document.words("plugins", "disable") or (),
        lock_timeout=_lock_timeout(document),
        interfaces=document.tables("interfaces"),
        signing=document.table("signing"),
        registries=document.table("registries"),
        unknown=document.unknown(),
    )


def _lock_timeout(document: _Document) -> float:
    """In seconds; older files say how often to try, and after how many milliseconds again."""
    seconds = document.number("database", "lock_timeout")
    if seconds is not None:
        return seconds
    retries = document.number("database", "max_retries")
    delay = document.number("database", "millisec_delay")
    return _LOCK_TIMEOUT if retries is None or delay is None else retries * delay / 1000


@dataclass(frozen=True)
class _Document:
    """A parsed file whose values are checked as they are read."""

    path: Path
    content: Mapping[str, Json]

    def table(self, name: str) -> dict[str, Json]:
        table = self.content.get(name, {})
        if not isinstance(table, dict):
            raise InvalidRequest(f"{self.path}: {name} is a table: [{name}]")
        return table

    def tables(self, name: str) -> dict[str, dict[str, Json]]:
        table = self.table(name)
        for key, value in table.items():
            if not isinstance(value, dict):
                raise InvalidRequest(f"{self.path}: {name}.{key} is a table: [{name}.{key}]")
        return table

    def words(self, table: str, key: str) -> tuple[str, ...] | None:
        found = self.table(table).get(key)
        if found is None:
            return None
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise self._wrong(table, key, found, "a list of texts")
        return tuple(found)

    def number(self, table: str, key: str) -> float | None:
        found = self.table(table).get(key)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < inf:
            raise self._wrong(table, key, found, "a number from 0 up")
        return found

    def truth(self, table: str, key: str) -> bool:
        found = self.table(table).get(key, False)
        if not isinstance(found, bool):
            raise self._wrong(table, key, found, "true or false")
        return found

    def choice(self, table: str, key: str, choices: tuple[str, ...]) -> str:
        found = self.table(table).get(key, choices[0])
        if found not in choices:
            raise self._wrong(table, key, found, " or ".join(choices))
        return str(found)

    def unknown(self) -> tuple[str, ...]:
        found = [name for name in self.content if name not in _KNOWN]
        for name, keys in _KNOWN.items():
            if keys is not None:
                found += [f"{name}.{key}" for key in self.table(name) if key not in keys]
        return tuple(found)

    def _wrong(self, table: str, key: str, found: Json, expected: str) -> InvalidRequest:
        return InvalidRequest(f"{self.path}: {table}.{key} is {expected}, not {found!r}")
