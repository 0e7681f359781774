"""Errors as gRPC statuses with a detail, and back as the same class.

A status travels in HTTP/2 headers, of which common clients accept 8 KiB: texts are cut to fit, and
of a verifier's log only the end goes along. The service keeps the last few logs in full.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock

from grpclib.const import Status
from grpclib.exceptions import GRPCError

from bpfman_core import errors
from bpfman_core.errors import BpfmanError, KernelError, Unsupported, VerifierRejected
from bpfman_core.rpc.generated.extra_pb2 import Failure

_LINE = 1000  # bytes of a message, hint or telling line that are sent
_LOG_END = 1500  # bytes


_BY_STATUS: dict[Status, type[BpfmanError]] = {
    Status[kind.status]: kind
    for kind in (
        errors.InvalidRequest,
        errors.NotFound,
        errors.AlreadyExists,
        errors.Conflict,
        errors.Full,
        errors.Denied,
        errors.ServiceError,
    )
}


class VerifierLogs:
    """The logs of the last rejections, by an id that counts up from 1."""

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._lock = Lock()
        self._logs: OrderedDict[int, str] = OrderedDict()
        self._last = 0

    def add(self, log: str) -> int:
        """Keep a log, at the cost of the oldest one."""
        with self._lock:
            self._last += 1
            self._logs[self._last] = log
            if len(self._logs) > self._keep:
                self._logs.popitem(last=False)
            return self._last

    def get(self, log_id: int) -> str:
        """Raises NotFound for a log that is gone."""
        with self._lock:
            if log_id not in self._logs:
                raise errors.NotFound(f"there is no verifier log {log_id}")
            return self._logs[log_id]


def to_status(error: BpfmanError, logs: VerifierLogs) -> GRPCError:
    """What a caller is told of an error."""
    failure = Failure(
        kind=type(error).__name__,
        message=_cut(error.message),
        hint=None if error.hint is None else _cut(error.hint),
        exit_code=error.exit_code,
    )
    if isinstance(error, VerifierRejected):
        failure.telling = _cut(error.telling)
        failure.log_end = error.log.encode()[-_LOG_END:].decode(errors="ignore")
        failure.log_id = logs.add(error.log)
    elif isinstance(error, Unsupported):
        failure.feature = error.feature
    elif isinstance(error, KernelError):
        failure.call, failure.errno = error.call, error.errno
    line = " ".join(str(error).split())
    return GRPCError(Status[error.status], _cut(line), [failure])


def failure_of(error: GRPCError) -> Failure | None:
    """The detail that `to_status` gave to a status, if it was ours."""
    return next((one for one in error.details or () if isinstance(one, Failure)), None)


def from_status(error: GRPCError) -> BpfmanError:
    """The error that `to_status` was given; of another server's, the class that fits its status."""
    failure = failure_of(error)
    if failure is not None:
        return _rebuild(failure)
    message = error.message or f"the service answered {error.status.name}"
    return _BY_STATUS.get(error.status, BpfmanError)(message)


def _rebuild(failure: Failure) -> BpfmanError:
    hint = failure.hint if failure.HasField("hint") else None
    error: BpfmanError
    match failure.kind:
        case "VerifierRejected":
            error = VerifierRejected(failure.message, log=failure.log_end, telling=failure.telling)
            error.hint = hint
        case "Unsupported":
            error = Unsupported(failure.message, feature=failure.feature, hint=hint)
        case "KernelError":
            error = KernelError(failure.call, failure.errno, hint=hint)
            error.message = failure.message
        case name:
            kinds = {kind.__name__: kind for kind in _plain(BpfmanError)}
            error = kinds.get(name, BpfmanError)(failure.message, hint=hint)
            error.exit_code = failure.exit_code
    return error


def _plain(kind: type[BpfmanError]) -> Iterator[type[BpfmanError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _plain(below)


def _cut(text: str) -> str:
    encoded = text.encode()
    if len(encoded) <= _LINE:
        return text
    return encoded[:_LINE].decode(errors="ignore") + "..."
