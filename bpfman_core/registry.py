"""Finds the plugins and keeps what they registered.

A plugin that cannot be used is listed as broken with the reason; it never stops another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pluggy

from bpfman_core import hookspecs
from bpfman_core.bound import BoundType
from bpfman_core.errors import InvalidRequest, PluginError, did_you_mean
from bpfman_core.model import API_VERSION, PluginInfo, ProgramType


@dataclass(frozen=True)
class Candidate:
    """Something that claims to be a plugin: where it comes from and how to import it."""

    name: str
    distribution: str
    version: str
    load: Callable[[], object]


@dataclass(frozen=True)
class Selection:
    """Which plugins to use, by entry point or distribution name; an empty `only` means all."""

    only: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()

    @classmethod
    def of(cls, only: Iterable[str] = (), disabled: Iterable[str] = ()) -> Selection:
        """From the configuration, with BPFMAN_LOAD_PLUGINS and BPFMAN_DISABLE_PLUGINS added."""
        from_environment = [
            [word for word in os.environ.get(name, "").split(",") if word]
            for name in ("BPFMAN_LOAD_PLUGINS", "BPFMAN_DISABLE_PLUGINS")
        ]
        return cls(
            frozenset([*only, *from_environment[0]]), frozenset([*disabled, *from_environment[1]])
        )

    def allows(self, candidate: Candidate) -> bool:
        """Whether this candidate shall be imported."""
        names = {candidate.name, candidate.distribution}
        return not (names & self.disabled) and (not self.only or bool(names & self.only))


@dataclass
class Registry:
    """The program types in use, by word, and all plugins that were found."""

    plugins: list[PluginInfo] = field(default_factory=list)
    types: dict[str, BoundType] = field(default_factory=dict)

    def type(self, word: str) -> BoundType:
        """The type called `word`. Raises InvalidRequest that says which there are."""
        if word in self.types:
            return self.types[word]
        for plugin in self.plugins:
            if plugin.reason and (word in plugin.types or word == plugin.name):
                raise PluginError(f"{plugin.distribution} is {plugin.status}: {plugin.reason}")
        raise InvalidRequest(
            f"unknown program type {word!r}; installed: {', '.join(sorted(self.types)) or 'none'}",
            hint=did_you_mean(word, self.types) or "install its plugin with pip to add it",
        )

    def word_for(self, section: str) -> str | None:
        """The type whose programs are in that ELF section: the closest, the first of several."""
        best, length = None, 0
        for word, bound in self.types.items():
            for own in bound.type.sections:
                fits = section == own or section.startswith(f"{own.rstrip('/')}/")
                if fits and len(own) > length:
                    best, length = word, len(own)
        return best

    def add(self, candidate: Candidate) -> None:
        """Inspect a candidate; use it, or list it as broken."""
        types: tuple[ProgramType, ...] = ()
        reason = ""
        try:
            hooks = _hooks(candidate)
            types = _registered_types(hooks)
            self._refuse_clashes(types)
            for kind in types:
                self.types[kind.word] = BoundType(kind, candidate.distribution, hooks.hook)
        except (Exception, SystemExit) as error:
            reason = str(error) or type(error).__name__
            if not isinstance(error, PluginError):
                reason = f"{type(error).__name__}: {reason}"
        self._list(candidate, "broken" if reason else "active", types, reason)

    def skip(self, candidate: Candidate) -> None:
        """List a candidate that the configuration turns off."""
        self._list(candidate, "disabled", (), "turned off by the configuration")

    def _list(
        self, candidate: Candidate, status: str, types: Sequence[ProgramType], reason: str
    ) -> None:
        words = tuple(kind.word for kind in types)
        self.plugins.append(
            PluginInfo(
                candidate.name, candidate.distribution, candidate.version, status, words, reason
            )
        )

    def _refuse_clashes(self, types: Sequence[ProgramType]) -> None:
        for kind in types:
            taken = self.types.get(kind.word)
            if taken is not None:
                raise PluginError(f"{kind.word!r} is taken: {taken.distribution} provides it")


def discover(selection: Selection | None = None) -> Registry:
    """Import the installed plugins, each on its own.

    Where two claim one word it goes to the first in order of distribution names, those of the
    project itself (`bpfman-...`) before others.
    """
    chosen = selection or Selection.of()
    registry = Registry()
    for candidate in sorted(_installed(), key=_precedence):
        if chosen.allows(candidate):
            registry.add(candidate)
        else:
            registry.skip(candidate)
    return registry


def _precedence(candidate: Candidate) -> tuple[bool, str, str]:
    return not candidate.distribution.startswith("bpfman-"), candidate.distribution, candidate.name


def _installed() -> Iterator[Candidate]:
    from importlib.metadata import entry_points

    for entry in entry_points(group=hookspecs.GROUP):
        home = entry.dist
        name, version = (home.name, home.version) if home else ("unknown", "unknown")
        yield Candidate(entry.name, name, version, entry.load)


def _hooks(candidate: Candidate) -> pluggy.PluginManager:
    """A plugin manager that holds this one plugin, whose hooks are all spelt right and present."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(candidate.load(), candidate.name)
    manager.check_pending()
    for name in hookspecs.REQUIRED:
        if not getattr(manager.hook, name).get_hookimpls():
            raise PluginError(f"it implements no {name}")
    return manager


def _registered_types(manager: pluggy.PluginManager) -> tuple[ProgramType, ...]:
    types = tuple(manager.hook.bpfman_program_types()[0])
    for kind in types:
        if not isinstance(kind, ProgramType):
            raise PluginError(f"bpfman_program_types gave {kind!r}, which is no ProgramType")
        if kind.api_version != API_VERSION:
            raise PluginError(
                f"{kind.word!r} was written for version {kind.api_version} of the plugin contract, "
                f"this is version {API_VERSION}"
            )
    return types
