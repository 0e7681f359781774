"""The nouns of bpfman, in the four states that a thing passes through.

They are Spec (what was asked), Output (what the kernel or a plugin gave back), Record (what is
stored), Status (what is there now). All are plain frozen dataclasses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfman_core.options import Options

if TYPE_CHECKING:
    from bpfman_core.kernel.fd import Fd

API_VERSION = 1
"""The plugin contract's version: raised when a hook or a type that plugins see changes shape."""

Json = Any
"""What `json` reads and writes."""


# ---- program types: what a plugin registers


@dataclass(frozen=True)
class LoadSettings:
    """How the kernel shall load a program, where its type alone does not say.

    `attach_to` is the kernel function that a tracing program is bound to when it is loaded.
    """

    flags: int = 0
    attach_to: str | None = None


class LoadOptions(Options):
    """Base of the options that a program type takes when a program is loaded."""

    def settings(self) -> LoadSettings:
        """What these options mean to the kernel."""
        return LoadSettings()


@dataclass(frozen=True)
class ProgramType:
    """One program type as its plugin declares it.

    `word` is what users type. `kind` and `expected_attach_type` are the kernel's numbers
    (enum bpf_prog_type, enum bpf_attach_type). `sections` are the ELF section names, or their
    beginnings up to a slash, whose programs are of this type.
    """

    word: str
    summary: str
    kind: int
    sections: tuple[str, ...]
    options: type[Options]
    load_options: type[LoadOptions] = LoadOptions
    expected_attach_type: int = 0
    api_version: int = API_VERSION

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.word):
            raise ValueError(f"{self.word!r} cannot be the word for a program type")


# ---- Spec: what was asked


class PullPolicy(StrEnum):
    """When to ask a registry for an image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


@dataclass(frozen=True)
class FileOrigin:
    """Bytecode out of a file; `path` as its caller named it, made absolute."""

    path: str


@dataclass(frozen=True)
class ImageOrigin:
    """Bytecode out of an image: `digest` of its manifest, `source` where it came from.

    `signature` is what was found of its signatures: `unsigned`, `signed, not verified`,
    `verified: ` and by whom, `built here`, or `not checked`.
    """

    url: str
    pull_policy: PullPolicy
    digest: str = ""
    source: str = ""
    signature: str = ""


Origin = FileOrigin | ImageOrigin


@dataclass(frozen=True)
class ProgramSpec:
    """One program to load: `name` is its function in the object."""

    name: str
    type: str
    origin: Origin
    globals: Mapping[str, bytes] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    application: str | None = None
    map_owner_id: int | None = None
    options: Mapping[str, Json] = field(default_factory=dict)


# ---- Output: what the kernel or a plugin gave back


@dataclass(frozen=True)
class KernelProgram:
    """`struct bpf_prog_info` and the memory figure of its fdinfo.

    `type` is the kernel's number, `loaded_at` seconds since the epoch; sizes are bytes.
    """

    id: int
    name: str
    type: int
    loaded_at: float
    tag: str
    gpl_compatible: bool
    map_ids: tuple[int, ...]
    btf_id: int | None
    bytes_translated: int
    jited: bool
    bytes_jited: int
    bytes_memlock: int
    verified_instructions: int


@dataclass(frozen=True)
class Attached:
    """What an attach gave.

    A `link` descriptor is pinned by the host; a plugin that keeps its own pins returns none.
    `state` (JSON) is stored, and handed back with the link ever after.
    """

    link: Fd | None = None
    state: Mapping[str, Json] = field(default_factory=dict)


# ---- Record: what is stored


class ProgramState(StrEnum):
    """Where a program stands; all but LOADED mean that an operation was cut short."""

    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"


class LinkState(StrEnum):
    """Where a link stands; all but ATTACHED mean that an operation was cut short."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    UPDATING = "updating"
    DETACHING = "detaching"


@dataclass(frozen=True)
class ProgramRecord:
    """A stored program. `maps_of` is the id of the program whose directory of maps it uses."""

    id: int
    spec: ProgramSpec
    maps_of: int
    state: ProgramState = ProgramState.LOADED


@dataclass(frozen=True)
class LinkRecord:
    """A stored link: `options` are its attach options as JSON, `output` is what attach gave."""

    id: int
    program_id: int
    type: str
    options: Mapping[str, Json]
    output: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: LinkState = LinkState.ATTACHED


# ---- Status: what is there now


@dataclass(frozen=True)
class LinkStatus:
    """What a plugin sees of a link in the kernel now.

    `position` is the 0-based rank in a multi-program hook. `detail` says why where it is not
    `attached`. `facts` are the plugin's own, for its render hook.
    """

    attached: bool
    position: int | None = None
    detail: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class LinkView:
    """A link as users see it: its record, its status, and the rows its plugin renders."""

    id: int
    program_id: int
    type: str
    options: Mapping[str, Json]
    metadata: Mapping[str, str]
    attached: bool
    position: int | None
    detail: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ProgramView:
    """A program as users see it. `spec` is None for a program that is not ours."""

    kernel: KernelProgram
    type: str
    spec: ProgramSpec | None = None
    map_pin_path: str | None = None
    map_used_by: tuple[int, ...] = ()
    links: tuple[LinkView, ...] = ()
    link_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChainMember:
    """One program on a hook; of somebody else's only `program_id` and `name` are known."""

    program_id: int
    name: str
    link_id: int | None = None
    priority: int | None = None
    proceed_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChainView:
    """The programs on one hook that can hold several, in the order they run.

    `type` is the word of the program type that shows it, `netns` the path that its links gave.
    """

    type: str
    iface: str
    members: tuple[ChainMember, ...]
    netns: str | None = None
    direction: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class PluginInfo:
    """A plugin that was found; `status` is `active`, `disabled` or `broken`, `reason` says why."""

    name: str
    distribution: str
    version: str
    status: str
    types: tuple[str, ...] = ()
    reason: str = ""


# ---- what hooks are given


@dataclass(frozen=True)
class Program:
    """A loaded program as a plugin sees it; `open` gives a descriptor that the plugin closes.

    `options` is of the load options class that the type registered.
    """

    id: int
    name: str
    type: str
    options: Any
    open: Callable[[], Fd]


@dataclass(frozen=True)
class Link:
    """One attachment as a plugin sees it: asked for, being made, or there.

    `options` is of the class that the type registered; `state` is what attach returned.
    """

    id: int
    program: Program
    options: Any
    state: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Host:
    """What the host lends a plugin.

    `pins` is a directory in bpfman's bpffs for pins that the plugin keeps itself, `interfaces`
    the `[interfaces.NAME]` tables of the configuration.
    """

    pins: Path
    interfaces: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
