"""Seeds: read-only layouts that stand in where no registry can be asked."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from bpfman_core.errors import BpfmanError
from bpfman_core.image.layout import Layout
from bpfman_core.image.reference import Reference
from bpfman_core.image.repository import Located
from bpfman_core.image.settings import ImageSettings

_log = logging.getLogger(__name__)

_SHIPPED = Path(__file__).with_name("seeds")


def find(
    reference: Reference, settings: ImageSettings, unreachable: BpfmanError | None
) -> Located | None:
    """The first seed that has the image; one that is damaged has none.

    That it stands in for a registry that is `unreachable` is a warning, unless that was asked for.
    """
    for layout in layouts(settings):
        try:
            top = layout.find(reference)
        except BpfmanError as error:
            _log.warning("the seed %s cannot be used: %s", layout.directory, error)
            continue
        if top is not None:
            _log.log(
                logging.INFO if settings.offline or unreachable is None else logging.WARNING,
                "%s; using the copy of %s in %s with digest %s",
                unreachable or "no registry is asked",
                *(reference, layout.directory, top.digest),
            )
            return Located(top, f"seed:{layout.directory}", layout.repository(reference))
    return None


def layouts(settings: ImageSettings) -> Iterator[Layout]:
    """Those that are configured, then the one that ships; an empty list turns them all off."""
    if settings.seeds is None or settings.seeds:
        yield from map(Layout, settings.seeds or ())
        yield Layout(_SHIPPED)
