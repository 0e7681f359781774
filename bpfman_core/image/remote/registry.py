"""One repository of a registry (OCI distribution specification 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

import requests
from oras import container

from bpfman_core.errors import InvalidObject
from bpfman_core.image.descriptor import (
    DOCUMENT_LIMIT,
    INDEX,
    INDEXES,
    MANIFESTS,
    Descriptor,
    document,
)
from bpfman_core.image.manifest import descriptors
from bpfman_core.image.reference import is_digest
from bpfman_core.image.remote.answers import BrokenBody
from bpfman_core.image.remote.credentials import Credentials
from bpfman_core.image.remote.exchange import ATTEMPTS
from bpfman_core.image.remote.transport import Transport
from bpfman_core.image.repository import referrers_by_tag
from bpfman_core.image.settings import Endpoint

_NO_API = (400, 404, 405, 406)
_PAGES = 16

_ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))


@dataclass(frozen=True)
class Access:
    """How to get at a repository; see `transport.Transport`."""

    actions: str
    credentials: Callable[[], Credentials | None]


@dataclass(frozen=True)
class _Document:
    """`kind` is its media type, `next` where its next page is, if it has one."""

    data: bytes
    kind: str
    next: str


class RegistryRepository:
    """Implements `repository.Repository`."""

    def __init__(self, endpoint: Endpoint, repository: str, access: Access) -> None:
        self._transport = Transport(endpoint, repository, access.actions, access.credentials)
        self._endpoint = endpoint
        self._name = repository
        self._documents: dict[str, bytes] = {}
        self._urls = container.Container(f"registry.invalid/{repository}")
        self._urls.registry = endpoint.host

    # ---- reading

    def resolve(self, wanted: str) -> Descriptor | None:
        """See `Repository.resolve`."""
        found = self._document(self._urls.manifest_url(wanted), f"{self._name}:{wanted}")
        if found is None:
            return None
        descriptor = Descriptor.of(found.kind, found.data)
        if is_digest(wanted) and descriptor.digest != wanted:
            raise InvalidObject(f"{self._endpoint.registry} sent another image than {wanted}")
        self._documents[descriptor.digest] = found.data
        return descriptor

    def read(self, descriptor: Descriptor, limit: int) -> bytes:
        """See `Repository.read`. A blob that breaks off is taken up where it did."""
        descriptor.check_size(limit)
        if descriptor.digest in self._documents:
            data = self._documents[descriptor.digest]
        elif descriptor.media_type in INDEXES | MANIFESTS:
            found = self._document(self._urls.manifest_url(descriptor.digest), descriptor.digest)
            if found is None:
                raise InvalidObject(f"{self._endpoint.registry} lacks {descriptor.digest}")
            data = found.data
        else:
            data = self._blob(descriptor)
        descriptor.check(data)
        return data

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """See `Repository.referrers`. A registry may lack the API, which shows in several ways."""
        what = f"referrers of {digest}"
        found = self._listed(f"/v2/{self._urls.api_prefix}/referrers/{digest}", what)
        return referrers_by_tag(self, digest) if found is None else found

    def _listed(self, path: str, what: str) -> tuple[Descriptor, ...] | None:
        """All pages of a list; None where there is no such list."""
        found: list[Descriptor] = []
        url = f"{self._endpoint.url}{path}"
        for number in range(_PAGES):
            page = self._document(url, what, accept=INDEX, absent=_NO_API)
            if page is None or page.kind != INDEX:
                if not number:
                    return None
                break
            found += descriptors(document(page.data), "manifests")
            if not page.next:
                return tuple(found)
            url = self._transport.next_page(url, page.next)
        # what is on the pages that are missing must not count as absent
        raise InvalidObject(f"{self._endpoint.registry} does not give all {what}")

    def _document(
        self, place: str, what: str, *, accept: str = _ACCEPT, absent: Container[int] = (404,)
    ) -> _Document | None:
        """An index or a manifest, or None where the answer is one of `absent`."""
        for left in reversed(range(ATTEMPTS)):
            answer = self._ask("GET", place, headers={"Accept": accept})
            if answer.status_code in absent:
                answer.close()
                return None
            if answer.status_code != 200:
                raise self._transport.refusal(answer, what)
            try:
                data = b"".join(self._transport.body(answer, DOCUMENT_LIMIT))
            except BrokenBody:
                if not left:
                    raise
            else:
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
                following = str(answer.links.get("next", {}).get("url", ""))
                return _Document(data, kind, following)
        raise AssertionError("the last attempt returns or raises")

    def _blob(self, descriptor: Descriptor) -> bytes:
        data = bytearray()
        url = self._urls.get_blob_url(descriptor.digest)
        for left in reversed(range(ATTEMPTS)):
            headers = {"Range": f"bytes={len(data)}-"} if data else {}
            answer = self._ask("GET", url, headers=headers)
            if answer.status_code == 200:
                data.clear()
            elif answer.status_code == 416 and data:
                break  # there is no more of it
            elif not _continues(answer, len(data)):
                raise self._transport.refusal(answer, descriptor.digest)
            try:
                for piece in self._transport.body(answer, descriptor.size - len(data)):
                    data += piece
            except BrokenBody:
                if not left:
                    raise
            if len(data) == descriptor.size:
                break
        return bytes(data)

    # ---- writing

    def put_blob(self, descriptor: Descriptor, data: bytes) -> None:
        """Upload a blob, unless the repository has it."""
        head = self._ask("HEAD", self._urls.get_blob_url(descriptor.digest))
        head.close()
        if head.status_code == 200:
            return
        for left in reversed(range(ATTEMPTS)):
            try:
                self._upload(descriptor, data)
            except BrokenBody:
                if not left:
                    raise
            else:
                return

    def _upload(self, descriptor: Descriptor, data: bytes) -> None:
        """Upload a blob in one piece; one that failed must be begun anew."""
        begun = self._ask("POST", self._urls.upload_blob_url())
        if begun.status_code != 202 or "Location" not in begun.headers:
            raise self._transport.refusal(begun, f"an upload to {self._name}")
        begun.close()
        place = self._transport.follow(str(begun.url), begun.headers["Location"])
        place += f"{'&' if '?' in place else '?'}digest={descriptor.digest}"
        kind = {"Content-Type": "application/octet-stream"}
        done = self._transport.do_request(place, "PUT", data=data, headers=kind)
        if done.status_code != 201:
            raise self._transport.refusal(done, f"an upload to {self._name}")
        done.close()

    def put_manifest(self, descriptor: Descriptor, data: bytes, tag: str | None) -> None:
        """Put an index or a manifest under a tag, or else under its digest."""
        done = self._ask(
            "PUT",
            self._urls.manifest_url(tag or descriptor.digest),
            data=data,
            headers={"Content-Type": descriptor.media_type},
        )
        if done.status_code not in (200, 201):
            raise self._transport.refusal(done, f"an upload to {self._name}")
        done.close()

    def _ask(
        self,
        method: str,
        place: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer from a URL, or from one without its scheme, as oras's are."""
        url = place if "://" in place else f"{self._transport.prefix}://{place}"
        return self._transport.do_request(url, method, data=data, headers=headers)


def _continues(answer: requests.Response, length: int) -> bool:
    """Whether this is the rest of a blob of which there are `length` bytes already."""
    there = answer.headers.get("Content-Range", "")
    return answer.status_code == 206 and there.startswith(f"bytes {length}-")
