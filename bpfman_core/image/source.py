"""Where images come from: the cache, a registry, seeds; in which order, the pull policy says.

| policy       | cache | registry | seeds, if no registry can be reached |
|--------------|-------|----------|--------------------------------------|
| Always       |       | yes      |                                      |
| IfNotPresent | first | then     | then                                 |
| Never        | first |          | then                                 |

`oci:/path[:name][@digest]` names an image of a layout itself.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from bpfman_core.api import ImageSource
from bpfman_core.errors import (
    BpfmanError,
    InvalidObject,
    InvalidRequest,
    NotFound,
    Unreachable,
    Untrusted,
)
from bpfman_core.image import pull
from bpfman_core.image.bytecode import Bytecode, FetchedImage, extract
from bpfman_core.image.cache import POLICY, VERDICT, Cache
from bpfman_core.image.descriptor import Descriptor
from bpfman_core.image.layout import REFERENCE, Layout, LayoutRepository
from bpfman_core.image.reference import Reference, is_digest
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.settings import ImageSettings
from bpfman_core.image.signing import check
from bpfman_core.image.signing.policy import SigningPolicy
from bpfman_core.model import PullPolicy

_log = logging.getLogger(__name__)

LAYOUT = "oci:"
"""How a URL begins that names a layout."""

_SHIPPED = Path(__file__).with_name("seeds")


def find(image: ImageSource, settings: ImageSettings, *, must_keep: bool = False) -> Bytecode:
    """The object of an image. With `must_keep` it is an error if the cache cannot hold it.

    Raises InvalidRequest for a malformed reference, NotFound, InvalidObject for an unusable image,
    Untrusted for one that the signing policy refuses, RegistryError, Denied.
    """
    if image.url.startswith(LAYOUT):
        return extract(_named(image.url, settings))
    reference = Reference.parse(image.url)
    fetched = None
    if image.pull_policy is not PullPolicy.ALWAYS:
        fetched = _cached(reference, image.pull_policy, settings)
    return extract(fetched or _elsewhere(reference, image, settings, must_keep))


def _elsewhere(
    reference: Reference, image: ImageSource, settings: ImageSettings, must_keep: bool
) -> FetchedImage:
    """An image that is not in the cache, or shall not come from there."""
    unreachable: Unreachable | None = None
    if image.pull_policy is not PullPolicy.NEVER and not settings.offline:
        try:
            return pull.Pull(reference, _credentials(image), settings).run(must_keep=must_keep)
        except Unreachable as error:
            unreachable = error
    if image.pull_policy is not PullPolicy.ALWAYS:
        seeded = _seeded(reference, settings)
        if seeded is not None:
            return seeded
    raise unreachable or _missing(reference, image.pull_policy, settings)


def _missing(reference: Reference, policy: PullPolicy, settings: ImageSettings) -> BpfmanError:
    """Names the images that are here, for a user who asked for another."""
    names: list[str] = []
    for layout in (Cache(settings.cache), *_seeds(settings)):
        with suppress(InvalidObject):
            names += layout.references()
    hint = f"the images here: {', '.join(dict.fromkeys(names)) or 'none'}"
    if policy is PullPolicy.NEVER:
        return NotFound(f"{reference} is not here", hint=hint)
    return Unreachable(
        f"{reference} is not here, and no registry is asked: [images] offline = true", hint=hint
    )


def _credentials(image: ImageSource) -> Credentials | None:
    if image.username is None:
        return None
    return Credentials(image.username, image.password or "")


def _cached(
    reference: Reference, policy: PullPolicy, settings: ImageSettings
) -> FetchedImage | None:
    """The image in the cache; one that is damaged there counts as absent.

    So does one that would be refused, for it may have been signed since, and one whose signatures
    were not looked for when it was pulled; unless no registry may be asked.
    """
    cache = Cache(settings.cache)
    try:
        top = cache.find(reference)
        if top is None:
            return None
        verdict = _verdict_of(cache, reference, top, settings.signing)
        return pull.take(cache.repository(reference), top, f"cache:{cache.directory}", verdict)
    except InvalidObject as error:
        _log.warning("the cached copy of %s cannot be used: %s", reference, error)
    except Untrusted as error:
        if policy is PullPolicy.NEVER:
            raise
        _log.info("%s; asking the registry", error)
    return None


def _verdict_of(cache: Cache, reference: Reference, top: Descriptor, policy: SigningPolicy) -> str:
    """What was said of it before, if the policy is still the same; else it is judged again."""
    notes = top.annotations
    before = notes.get(VERDICT, check.NOT_CHECKED)
    if not policy.enabled:
        return check.NOT_CHECKED
    if before == check.BUILT_HERE or notes.get(POLICY) == policy.fingerprint():
        return before
    if before == check.NOT_CHECKED:
        raise Untrusted(f"{reference} was pulled without looking for signatures")
    verdict = check.verdict([cache.repository(reference)], top.digest, policy)
    with suppress(BpfmanError):  # a note only
        cache.note(reference, pull.signing_notes(policy, verdict))
    return verdict


def _seeded(reference: Reference, settings: ImageSettings) -> FetchedImage | None:
    for layout in _seeds(settings):
        top = layout.find(reference)
        if top is None:
            continue
        _log.warning(
            "no registry could be asked for %s: using the copy in %s with digest %s",
            reference,
            layout.directory,
            top.digest,
        )
        repository = layout.repository(reference)
        verdict = check.verdict([repository], top.digest, settings.signing)
        return pull.take(repository, top, f"seed:{layout.directory}", verdict)
    return None


def _seeds(settings: ImageSettings) -> tuple[Layout, ...]:
    """Those that are configured, then the one that ships; an empty list turns them all off."""
    if settings.seeds is not None and not settings.seeds:
        return ()
    return tuple(Layout(path) for path in (*(settings.seeds or ()), _SHIPPED))


def _named(url: str, settings: ImageSettings) -> FetchedImage:
    repository, top = open_layout(url)
    verdict = check.verdict([repository], top.digest, settings.signing)
    return pull.take(repository, top, f"layout:{repository.layout.directory}", verdict)


def open_layout(url: str) -> tuple[LayoutRepository, Descriptor]:
    """The image of a layout that `oci:/path`, with or without a name or a digest, stands for.

    Raises InvalidRequest, NotFound, InvalidObject.
    """
    rest = url.removeprefix(LAYOUT)
    path, at, digest = rest.partition("@")
    if at and not is_digest(digest):
        raise InvalidRequest(f"{url}: a digest is sha256: and 64 hexadecimal digits")
    wanted = digest
    if not at and not Layout(Path(path)).marker_path.exists():
        path, _, wanted = path.partition(":")
    layout = Layout(Path(path))
    if not layout.directory.is_absolute():
        raise InvalidRequest(f"{url}: write an absolute path")
    if not layout.marker_path.exists():
        raise NotFound(f"{path} is no image layout", hint="write oci:/path or oci:/path:name")
    repository = layout.repository(None)
    found = repository.resolve(wanted) if wanted else None
    entries = layout.entries()
    if not wanted and len(entries) == 1:
        found = entries[0]
    if found is None:
        held = ", ".join(entry.annotations.get(REFERENCE, entry.digest) for entry in entries)
        what = f"no image {wanted}" if wanted else "several images"
        raise NotFound(f"{path} holds {what}", hint=f"it holds: {held or 'none'}")
    return repository, found
