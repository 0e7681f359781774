"""A program type bound to the one plugin that owns it, with its hooks typed and guarded."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from bpfman_core.errors import BpfmanError, PluginError
from bpfman_core.model import Attached, ChainView, Host, Link, LinkStatus, ProgramType

T = TypeVar("T")


@dataclass(frozen=True)
class BoundType:
    """A program type with its plugin's hooks; `hooks` is pluggy's relay for that plugin alone."""

    type: ProgramType
    distribution: str
    hooks: Any = field(repr=False)

    def validate(self, link: Link, host: Host) -> None:
        """See `hookspecs.bpfman_validate`."""
        self._call("bpfman_validate", link=link, host=host)

    def attach(self, link: Link, host: Host) -> Attached:
        """See `hookspecs.bpfman_attach`."""
        return self._expect(Attached, "bpfman_attach", link=link, host=host)

    def detach(self, link: Link, host: Host) -> None:
        """See `hookspecs.bpfman_detach`."""
        self._call("bpfman_detach", link=link, host=host)

    @property
    def updatable(self) -> bool:
        """Whether links of this type can be changed while they run."""
        return self._has("bpfman_update")

    def update(self, link: Link, previous: Link, host: Host) -> Attached:
        """See `hookspecs.bpfman_update`."""
        return self._expect(Attached, "bpfman_update", link=link, previous=previous, host=host)

    def status(self, link: Link, host: Host) -> LinkStatus | None:
        """See `hookspecs.bpfman_status`; None where the plugin leaves it to the host."""
        if not self._has("bpfman_status"):
            return None
        return self._expect(LinkStatus, "bpfman_status", link=link, host=host)

    def render(self, link: Link, status: LinkStatus) -> tuple[tuple[str, str], ...]:
        """See `hookspecs.bpfman_render`."""
        rows: dict[object, object]
        rows = self._expect(dict, "bpfman_render", link=link, status=status)
        return tuple((str(label), str(text)) for label, text in rows.items())

    def recover(self, links: Sequence[Link], host: Host) -> None:
        """See `hookspecs.bpfman_recover`."""
        self._call("bpfman_recover", links=links, host=host)

    def chains(self, links: Sequence[Link], host: Host, netns: str | None) -> tuple[ChainView, ...]:
        """See `hookspecs.bpfman_chains`."""
        shown = self._call("bpfman_chains", links=links, host=host, netns=netns) or ()
        return tuple(cast("Sequence[ChainView]", shown))

    def _has(self, hook: str) -> bool:
        return bool(getattr(self.hooks, hook).get_hookimpls())

    def _expect(self, kind: builtins.type[T], hook: str, **arguments: object) -> T:
        result = self._call(hook, **arguments)
        if not isinstance(result, kind):
            found, wanted = type(result).__name__, kind.__name__
            raise PluginError(f"{self.distribution}: {hook} returned {found}, not {wanted}")
        return result

    def _call(self, hook: str, **arguments: object) -> object:
        try:
            results = getattr(self.hooks, hook)(**arguments)
        except BpfmanError:
            raise
        except Exception as error:
            raise PluginError(
                f"{self.distribution}: {hook} failed: {type(error).__name__}: {error}",
                hint=f"this is a fault of the plugin for {self.type.word!r}",
            ) from error
        return results[0] if results else None
