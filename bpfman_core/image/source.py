"""Where images come from: an ordered list of sources, the first that has the image gives it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bpfman_core.api import ImageSource
from bpfman_core.errors import NotFound
from bpfman_core.image.bytecode import Bytecode, FetchedImage, extract
from bpfman_core.image.descriptor import LAYER_LIMIT
from bpfman_core.image.layout import Layout
from bpfman_core.image.manifest import resolve
from bpfman_core.image.reference import Reference
from bpfman_core.model import PullPolicy

_log = logging.getLogger(__name__)
_SHIPPED = Path(__file__).with_name("seeds")


class Source(Protocol):
    """A place that images can be had from."""

    def fetch(self, reference: Reference, policy: PullPolicy) -> FetchedImage | None:
        """The image of that name, its blobs checked, or None where there is none.

        Raises errors.BpfmanError where there is one that cannot be used.
        """
        ...

    def references(self) -> tuple[str, ...]:
        """The names to offer a user who asked for another, where they can be known."""
        ...


@dataclass(frozen=True)
class Seeds:
    """A read-only layout that stands in where no registry can be asked."""

    layout: Layout

    def fetch(self, reference: Reference, policy: PullPolicy) -> FetchedImage | None:
        """See `Source`. The policy Always wants what a registry has, so a seed is none."""
        descriptor = None if policy is PullPolicy.ALWAYS else self.layout.find(reference)
        if descriptor is None:
            return None
        manifest = resolve(descriptor, self.layout.read)
        layers = tuple(self.layout.read(layer, LAYER_LIMIT) for layer in manifest.layers)
        _log.warning(
            "no registry was asked for %s: using the copy in %s with digest %s",
            reference,
            self.layout.directory,
            descriptor.digest,
        )
        source = f"seed:{self.layout.directory}"
        return FetchedImage(descriptor.digest, source, manifest.labels, layers)

    def references(self) -> tuple[str, ...]:
        """See `Source`."""
        return self.layout.references()


def seeds(directories: Sequence[Path] | None = None) -> tuple[Source, ...]:
    """The seed layouts: those in `directories`, then the one that ships with bpfman.

    An empty sequence turns them all off.
    """
    if directories is not None and not directories:
        return ()
    return tuple(Seeds(Layout(path)) for path in (*(directories or ()), _SHIPPED))


def find(image: ImageSource, sources: Sequence[Source]) -> Bytecode:
    """The object of an image, out of the first source that has it.

    Raises InvalidRequest for a malformed reference, NotFound, InvalidObject for an unusable image.
    """
    reference = Reference.parse(image.url)
    for source in sources:
        found = source.fetch(reference, image.pull_policy)
        if found is not None:
            return extract(found)
    raise _missing(reference, image.pull_policy, sources)


def _missing(reference: Reference, policy: PullPolicy, sources: Sequence[Source]) -> NotFound:
    if policy is PullPolicy.ALWAYS:
        return NotFound(
            f"cannot pull {reference}: this version cannot ask a registry",
            hint=f"the pull policy {PullPolicy.IF_NOT_PRESENT} takes the images that are here",
        )
    here = ", ".join(name for source in sources for name in source.references()) or "none"
    return NotFound(
        f"{reference} is not here, and this version cannot ask a registry",
        hint=f"the images here: {here}",
    )
