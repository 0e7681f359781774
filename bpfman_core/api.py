"""What bpfman can be asked, and by which words: plain requests, replies from `model`.

`Api` has two implementations: `handler.Handler`, which does the work in this process, and
`rpc.client.Client`, which asks the service. The CLI cannot tell one from the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bpfman_core.model import ChainView, Json, LinkView, PluginInfo, ProgramView, PullPolicy


@dataclass(frozen=True)
class FileSource:
    """Bytecode out of a file. The caller reads it: `data` are its bytes, `path` its absolute name.

    Only a client that cannot read for itself leaves `data` empty; then the service opens `path`.
    """

    path: str
    data: bytes | None = None


@dataclass(frozen=True)
class ImageSource:
    """Bytecode out of an image; credentials are used once and never stored nor logged."""

    url: str
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ProgramRequest:
    """One program of an object. Without a `name` the image's label or the only program decides.

    `type` is a program type's word, `options` its load options by name.
    """

    name: str | None
    type: str
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class AttachPart:
    """Where to attach: a program type's word, its attach options by name, metadata of the link."""

    type: str
    options: Mapping[str, Json]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadRequest:
    """Load programs of one object, all or none; with `attach`, attach each of them too."""

    source: FileSource | ImageSource
    programs: tuple[ProgramRequest, ...]
    globals: Mapping[str, bytes] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    application: str | None = None
    map_owner_id: int | None = None
    attach: AttachPart | None = None


@dataclass(frozen=True)
class UpdateRequest:
    """Change options of a running link; those not named stay as they are."""

    link_id: int
    options: Mapping[str, Json]


@dataclass(frozen=True)
class ListRequest:
    """Which programs to list; every condition that is set must hold.

    `types` are type words, `kind` is the kernel's program type number, `all` adds programs that
    are not ours. `details` asks for the links' live status too.
    """

    all: bool = False
    types: tuple[str, ...] = ()
    kind: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    application: str | None = None
    details: bool = False


class Api(Protocol):
    """Everything bpfman does for a caller. Every method raises `errors.BpfmanError`."""

    def load(self, request: LoadRequest) -> tuple[ProgramView, ...]:
        """Load, and attach where asked to; the programs in the order of the request."""
        ...

    def attach(self, program_id: int, part: AttachPart) -> LinkView:
        """Attach a loaded program once more."""
        ...

    def detach(self, link_id: int) -> None:
        """Take a link off its hook."""
        ...

    def unload(self, program_id: int) -> None:
        """Detach all links of a program and let it go."""
        ...

    def update(self, request: UpdateRequest) -> LinkView:
        """Change a running link in one step."""
        ...

    def list(self, request: ListRequest) -> tuple[ProgramView, ...]:
        """The programs there are, by id."""
        ...

    def links(self) -> tuple[LinkView, ...]:
        """All links, by id."""
        ...

    def get(self, program_id: int) -> ProgramView:
        """One program with all details, ours or not."""
        ...

    def get_link(self, link_id: int) -> LinkView:
        """One link with all details."""
        ...

    def chains(self, netns: str | None) -> tuple[ChainView, ...]:
        """The hooks that can hold several programs, with those on them; `netns` is a path.

        Without it: ours in every namespace, and those of others in the one the work is done in.
        """
        ...

    def plugins(self) -> tuple[PluginInfo, ...]:
        """The plugins that were found where the work is done."""
        ...

    def pull(self, source: ImageSource) -> None:
        """Have an image at hand before it is needed."""
        ...
