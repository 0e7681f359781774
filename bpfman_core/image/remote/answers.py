"""What a registry answers: bodies within bounds, and refusals as errors with a next step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import requests
import urllib3.exceptions

from bpfman_core import progress
from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound, RegistryError
from bpfman_core.image.descriptor import document
from bpfman_core.image.remote.deadline import Deadline

_CHUNK = 64 << 10  # bytes
_ERROR_LIMIT = 64 << 10  # bytes
_ERROR_TIME = 5.0  # seconds
SLOWEST = 16 << 10
"""Bytes a second that a body must keep up, or down."""
_WORDS = 200  # characters of what a registry says itself


class BrokenBody(RegistryError):
    """The connection broke within an answer; what came before it was good."""


def body(
    answer: requests.Response, registry: str, limit: int, grace: float, deadline: Deadline
) -> Iterator[bytes]:
    """The pieces of a body of at most `limit` bytes; after `grace` seconds they must keep a pace.

    Raises BrokenBody, InvalidObject for one that is too long, RegistryError for a slow one.
    """
    length, begun = 0, time.monotonic()
    try:
        while chunk := _piece(answer, grace, deadline):
            length += len(chunk)
            if length > limit:
                raise InvalidObject(f"{registry} sent more than the {limit} bytes allowed")
            if time.monotonic() - begun > grace + length / SLOWEST:
                raise RegistryError(f"{registry} sends too slowly; gave up")
            progress.advance(len(chunk))
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if deadline.passed:
            raise RegistryError(f"{registry} sends too slowly; gave up") from error
        raise BrokenBody(f"{registry}: the connection broke: {reason(error)}") from error
    finally:
        answer.close()


def _piece(answer: requests.Response, grace: float, deadline: Deadline) -> bytes:
    with deadline.within(grace):
        piece: bytes = answer.raw.read1(_CHUNK)
    return piece


def refusal(
    answer: requests.Response, registry: str, what: str, deadline: Deadline, secrets: Sequence[str]
) -> BpfmanError:
    """The error that an answer means; `what` was asked for, with `secrets` if there are any."""
    status, wait = answer.status_code, retry_after(answer)
    said = _message(answer, registry, deadline, secrets)
    login = f"give --registry-auth, or `podman login {registry}`"
    if status == 401:
        refused = "does not accept the credentials" if secrets else "wants credentials"
        return Denied(f"{registry} {refused} for {what}{said}", hint=login)
    if status == 403:
        return Denied(f"{registry} does not let you have {what}{said}", hint=login)
    if status == 404:
        return NotFound(f"{registry} has no {what}{said}")
    if status == 429:
        later = f"try again in {wait:g} s" if wait else "try again later"
        return RegistryError(f"{registry} was asked too often{said}", hint=later)
    hint = None
    if status == 400 and str(answer.url).startswith("http:"):  # as Go's servers answer
        hint = f'if it wants TLS: [registries."{registry}"] insecure = false'
    return RegistryError(f"{registry} answered {status} for {what}{said}", hint=hint)


def retry_after(answer: requests.Response) -> float:
    """How many seconds a registry asks to be left alone; 0 where it does not say."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(answer.headers.get("Retry-After", "0")))
    return 0.0


def innermost(error: BaseException) -> BaseException:
    """What requests and urllib3 have wrapped, one around the other."""
    while True:
        inner = [getattr(error, "reason", None), *reversed(error.args), error.__cause__]
        found = next((one for one in inner if isinstance(one, BaseException)), None)
        if found is None:
            return error
        error = found


def reason(error: BaseException) -> str:
    """The innermost reason of an error, in a line."""
    found: Any = innermost(error)
    text = getattr(found, "strerror", None) or getattr(found, "verify_message", None) or str(found)
    return " ".join(str(text).split()) or type(found).__name__


def _message(
    answer: requests.Response, registry: str, deadline: Deadline, secrets: Iterable[str]
) -> str:
    """What the registry itself says in an error's body, if it says anything; no secret of ours."""
    try:
        pieces = body(answer, registry, _ERROR_LIMIT, _ERROR_TIME, deadline)
        rows = document(b"".join(pieces)).get("errors")
        texts = [str(row.get("message") or row.get("code") or "") for row in rows or ()]
    except (AttributeError, TypeError, BpfmanError):
        return ""
    said = " ".join("; ".join(filter(None, texts)).split())
    for secret in secrets:
        said = said.replace(secret, "***")
    said = said[:_WORDS]
    return f" ({said})" if said and said.isprintable() else ""
