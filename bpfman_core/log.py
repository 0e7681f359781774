"""Logging: modules log with the standard library, structlog gives the lines their form.

On a terminal they are for reading, in systemd's journal key=value with the journal's priorities,
elsewhere one JSON object each. structlog is imported when there is a first line to write.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from bpfman_core.text import one_line

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 1,
}

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""sd-daemon(3): the prefix <N> of a line gives its priority."""

_VARIABLES = ("BPFMAN_LOG", "RUST_LOG")

_NOISY = ("asyncio", "hpack", "urllib3")


def configure(default: str = "error") -> None:
    """Log to stderr from now on, at the level that the environment sets, else at `default`.

    BPFMAN_LOG sets it, else RUST_LOG; the first word that is a level counts, so that
    `info,bpfman=debug` is info. A service of systemd is at `info` unless one of these says less.
    """
    level = level_from_environment(default)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Late())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.INFO))


def configure_command() -> None:
    """Show warnings as the command's errors are shown, unless the environment wants a log."""
    if any(name in os.environ for name in _VARIABLES):
        configure()
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    handler.addFilter(lambda record: record.name.startswith("bpfman"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def level_from_environment(default: str) -> int:
    """The level as a number of the standard library."""
    for name in _VARIABLES:
        if name in os.environ:
            return _first_level(os.environ[name]) or _LEVELS[default]
    return _LEVELS["info" if _of_systemd() else default]


def _first_level(text: str) -> int | None:
    words = re.findall(r"[a-z]+", text.lower())
    return next((_LEVELS[word] for word in words if word in _LEVELS), None)


def _of_systemd() -> bool:
    return "INVOCATION_ID" in os.environ and not sys.stderr.isatty()


class _Plain(logging.Formatter):
    """A line that begins as those of errors do."""

    def format(self, record: logging.LogRecord) -> str:
        return f"bpfman: {record.levelname.lower()}: {one_line(record.getMessage())}"


class _Late(logging.Formatter):
    """Becomes structlog's formatter with the first record."""

    def __init__(self) -> None:
        super().__init__()
        self._formatter: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        if self._formatter is None:
            self._formatter = _formatter()
        return self._formatter.format(record)


def _formatter() -> logging.Formatter:
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering()],
    )


def _rendering() -> list[Processor]:
    import structlog

    traceback = structlog.processors.format_exc_info
    if sys.stderr.isatty():
        colors = "NO_COLOR" not in os.environ
        stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        return [stamp, structlog.dev.ConsoleRenderer(colors=colors)]
    if _is_journal():
        pairs = structlog.processors.LogfmtRenderer(key_order=["event"], bool_as_flag=False)
        return [traceback, _PriorityPrefix(pairs)]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    return [traceback, stamp, structlog.processors.JSONRenderer()]


class _PriorityPrefix:
    """A renderer that puts the journal's priority in front of what another one renders."""

    def __init__(self, render: Callable[[WrappedLogger, str, EventDict], str]) -> None:
        self._render = render

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITIES[event.pop("level")]
        return f"<{priority}>{self._render(logger, method, event)}"


def _is_journal() -> bool:
    """Whether stderr is the stream that systemd says is the journal (systemd.exec(5))."""
    try:
        at = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{at.st_dev}:{at.st_ino}"
