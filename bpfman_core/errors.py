"""Every error that bpfman raises on purpose.

    BpfmanError
    +-- InvalidRequest        what was asked makes no sense: bad option, value, name
    |   +-- InvalidObject     the bytecode is no usable BPF object
    +-- NotFound              no program, link or image is called so              exit 3
    +-- AlreadyExists         it is there already
    +-- Conflict              the present state forbids it: a foreign program, a dead link
    +-- Full                  the hook holds as many programs as it can
    +-- Busy                  another writer holds the lock
    +-- Denied                the caller or the process lacks a privilege
    +-- Unsupported           the running kernel lacks a feature
    +-- VerifierRejected      the kernel's verifier refused the program
    +-- KernelError           a system call failed for another reason
    +-- PluginError           a plugin is missing, broken, or broke its contract
    +-- ServiceError          the service cannot be reached, or did not answer
    +-- RegistryError         an image registry failed, or answered what makes no sense
    |   +-- Unreachable       it could not be asked at all
    +-- Untrusted             an image is not signed as this host asks

An error is one line: what is wrong, then (`hint`) what to do next.
"""

from __future__ import annotations

import difflib
import errno as errno_codes
import os
from collections.abc import Iterable

from bpfman_core.text import plain

_LONGEST = 500
"""Characters of a message, and of a hint, that are kept."""


class BpfmanError(Exception):
    """Base of all errors shown to a user.

    `exit_code` is the CLI's exit status, `status` the name of the gRPC status code.
    """

    exit_code = 1
    status = "INTERNAL"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = _line(message)
        self.hint = None if hint is None else _line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


def _line(text: str) -> str:
    """One line that a terminal can show: parts of it may come from anywhere."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return plain(short)


class InvalidRequest(BpfmanError):
    """The request itself is wrong, whatever the state of the host."""

    status = "INVALID_ARGUMENT"


class InvalidObject(InvalidRequest):
    """The bytes are not a BPF object that this host can load."""


class NotFound(BpfmanError):
    """No program, link or image has the given name."""

    exit_code = 3
    status = "NOT_FOUND"


class AlreadyExists(BpfmanError):
    """The thing to be made is there already."""

    status = "ALREADY_EXISTS"


class Conflict(BpfmanError):
    """The state of the host forbids it: somebody else's program, a vanished interface."""

    status = "FAILED_PRECONDITION"


class Full(BpfmanError):
    """The hook holds as many programs as it can."""

    status = "RESOURCE_EXHAUSTED"


class Busy(BpfmanError):
    """Another process or thread is changing things and did not finish in time."""

    status = "UNAVAILABLE"


class Denied(BpfmanError):
    """The process may not do this."""

    status = "PERMISSION_DENIED"


class Unsupported(BpfmanError):
    """The running kernel lacks a feature. `feature` is a short stable word for it."""

    status = "UNIMPLEMENTED"

    def __init__(self, message: str, *, feature: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.feature = feature


class VerifierRejected(BpfmanError):
    """The verifier refused the program; of its `log`, `telling` is the line that says why."""

    status = "INVALID_ARGUMENT"

    def __init__(self, message: str, *, log: str, telling: str = "") -> None:
        super().__init__(message)
        self.log = log
        self.telling = telling


class KernelError(BpfmanError):
    """A system call failed. `errno` is its code, `call` its name."""

    def __init__(self, call: str, errno: int, *, detail: str = "", hint: str | None = None) -> None:
        name = errno_codes.errorcode.get(errno, str(errno))
        text = f"{call}: {os.strerror(errno)} ({name})"
        super().__init__(f"{text}: {detail}" if detail else text, hint=hint)
        self.call = call
        self.errno = errno


class PluginError(BpfmanError):
    """A program type's plugin is missing, broken, or broke its contract."""

    status = "FAILED_PRECONDITION"


class ServiceError(BpfmanError):
    """The service cannot be reached, or its answer cannot be read."""

    status = "UNAVAILABLE"


class RegistryError(BpfmanError):
    """A registry of images failed, or answered what makes no sense."""

    status = "UNAVAILABLE"


class Unreachable(RegistryError):
    """A registry of images could not be asked at all: no such host, nobody there."""


class Untrusted(BpfmanError):
    """An image is not signed by anyone whom this host trusts."""

    status = "FAILED_PRECONDITION"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names up to three of `known` that look like `word`, or None."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else None
