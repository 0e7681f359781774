"""Where images come from: the cache, a registry, seeds; in which order, the pull policy says.

| policy       | cache | registry | seeds, if no registry can be reached |
|--------------|-------|----------|--------------------------------------|
| Always       |       | yes      |                                      |
| IfNotPresent | first | then     | then                                 |
| Never        | first |          | then                                 |

An image of a layout is named by itself (`layout_url`).
"""

from __future__ import annotations

import logging
from contextlib import suppress

from bpfman_core.api import ImageSource
from bpfman_core.errors import BpfmanError, InvalidRequest, NotFound, Unreachable, Untrusted
from bpfman_core.image import pull, seed
from bpfman_core.image.bytecode import Bytecode, FetchedImage, extract
from bpfman_core.image.cache import POLICY, VERDICT, Cache
from bpfman_core.image.layout_url import LAYOUT, open_layout
from bpfman_core.image.places import Search
from bpfman_core.image.reference import Reference
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.repository import Located
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.signing import check
from bpfman_core.image.signing.policy import SigningPolicy
from bpfman_core.model import PullPolicy

_log = logging.getLogger(__name__)


def find(image: ImageSource, settings: ImageSettings, *, must_keep: bool = False) -> Bytecode:
    """The object of an image. With `must_keep` it is an error if the cache cannot hold it.

    Raises InvalidRequest for a malformed reference, NotFound, InvalidObject for an unusable image,
    Untrusted for one that the signing policy refuses, RegistryError, Denied.
    """
    if image.url.startswith(LAYOUT):
        return extract(_judged(open_layout(image.url), settings.signing))
    search = Search(Reference.parse(image.url), _credentials(image), settings)
    if image.pull_policy is PullPolicy.ALWAYS:
        return extract(pull.pull(search, must_keep=must_keep))
    return extract(_nearest(search, image.pull_policy, must_keep))


def _nearest(search: Search, policy: PullPolicy, must_keep: bool) -> FetchedImage:
    """By the policies that are content with what is here."""
    refused: Untrusted | None = None
    unreachable: Unreachable | None = None
    try:
        cached = _cached(search.reference, search.settings)
        if cached is not None:
            return cached
    except Untrusted as error:  # it may have been signed since
        refused = error
    if policy is not PullPolicy.NEVER:
        try:
            return pull.pull(search, must_keep=must_keep)
        except Unreachable as error:
            unreachable = error
    seeded = None if refused else seed.find(search.reference, search.settings, unreachable)
    if seeded is not None:
        return _judged(seeded, search.settings.signing)
    raise refused or _missing(search.reference, unreachable, search.settings)


def _judged(image: Located, policy: SigningPolicy) -> FetchedImage:
    policy.fingerprint()  # a key that cannot be read is an error, needed or not
    return pull.take(image, check.verdict([image.repository], image.top.digest, policy))


def _missing(
    reference: Reference, unreachable: Unreachable | None, settings: ImageSettings
) -> BpfmanError:
    """Names the images that are here, where no registry was to be asked for another."""
    error = unreachable or NotFound(f"{reference} is not here")
    if unreachable is not None and not settings.offline:
        return error
    names: list[str] = []
    for layout in (Cache(settings.cache), *seed.layouts(settings)):
        with suppress(BpfmanError):
            names += layout.references()
    return type(error)(
        error.message, hint=f"the images here: {', '.join(dict.fromkeys(names)) or 'none'}"
    )


def _credentials(image: ImageSource) -> Credentials | None:
    if image.username is None:
        return None
    return Credentials(image.username, image.password or "")


def _cached(reference: Reference, settings: ImageSettings) -> FetchedImage | None:
    """The image in the cache; one that is damaged there counts as absent.

    Raises Untrusted for one that is refused, or whose signatures were not looked for, and
    InvalidRequest for a policy that cannot be read.
    """
    cache = Cache(settings.cache)
    try:
        image = cache.locate(reference)
        if image is None:
            return None
        return pull.take(image, _verdict_of(cache, reference, image, settings.signing))
    except BpfmanError as error:
        if isinstance(error, Untrusted) or type(error) is InvalidRequest:  # the policy's own
            raise
        _log.warning("the cached copy of %s cannot be used: %s", reference, error)
        return None


def _verdict_of(cache: Cache, reference: Reference, image: Located, policy: SigningPolicy) -> str:
    """What was said of it before, if the policy is still the same; else it is judged again."""
    notes = image.top.annotations
    before = notes.get(VERDICT, check.NOT_CHECKED)
    if not policy.enabled:
        return check.NOT_CHECKED
    fingerprint = policy.fingerprint()
    if before == check.BUILT_HERE or notes.get(POLICY) == fingerprint:
        return before
    if before == check.NOT_CHECKED:
        raise Untrusted(f"{reference} was pulled without looking for signatures")
    verdict = check.verdict([image.repository], image.top.digest, policy)
    with suppress(BpfmanError):  # a note only
        cache.note(image.top, pull.notes(fingerprint, verdict))
    return verdict
