"""What every operation works with: paths, store, configuration, and the plugins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bpfman_core.config import Config
from bpfman_core.kernel import pins
from bpfman_core.kernel.fd import Fd
from bpfman_core.model import Host, Link, LinkRecord, Program, ProgramRecord
from bpfman_core.paths import Paths
from bpfman_core.store import Store

if TYPE_CHECKING:
    from bpfman_core.bound import BoundType
    from bpfman_core.registry import Registry


@dataclass
class Context:
    """One installation. The plugins are looked for when a program type is first needed."""

    paths: Paths
    config: Config
    store: Store

    @cached_property
    def registry(self) -> Registry:
        """The plugins that the configuration allows."""
        from bpfman_core.registry import Selection, discover

        return discover(Selection.of(self.config.load_plugins, self.config.disable_plugins))

    def type(self, word: str) -> BoundType:
        """A program type. Raises InvalidRequest or PluginError where it cannot be used."""
        return self.registry.type(word)

    def host(self, word: str) -> Host:
        """What the plugin of a program type is lent."""
        return Host(self.paths.plugin_pins(word), self.config.interfaces)

    def program(self, record: ProgramRecord) -> Program:
        """A program as its plugin sees it."""
        word, pin = record.spec.type, self.paths.program_pin(record.id)
        options = self.type(word).type.load_options.parse(record.spec.options, word)

        def open_program() -> Fd:
            return pins.open_pin(pin)

        return Program(record.id, record.spec.name, word, options, open_program)

    def link(self, record: LinkRecord) -> Link:
        """A link as its plugin sees it."""
        program = self.program(self.store.program(record.program_id))
        options = self.type(record.type).type.options.parse(record.options, record.type)
        return Link(record.id, program, options, record.output)

    def make_directories(self) -> None:
        """The bpffs and the directories of pins that the host keeps."""
        pins.ensure_bpffs(self.paths.bpffs)
        for directory in self.paths.pin_directories:
            directory.mkdir(exist_ok=True)
