"""What the log looks like, and at which level, as a process of its own writes it."""

import json
import logging
import os
import pty
import subprocess
import sys

import pytest

from bpfman_core import log

WRITE = """
import logging, sys
from bpfman_core import log
log.configure("error")
logger = logging.getLogger("bpfman_core.x")
logger.debug("fine")
logger.info("loaded %s", "pass", extra={"caller_uid": 0})
logger.error("broken")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("worse")
"""


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("BPFMAN_LOG", "RUST_LOG", "INVOCATION_ID", "JOURNAL_STREAM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def written(code=WRITE, **environment):
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=env, stderr=subprocess.PIPE, check=True)
    return done.stderr.decode().splitlines()


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, logging.ERROR),
        ({"BPFMAN_LOG": "debug"}, logging.DEBUG),
        ({"RUST_LOG": "info"}, logging.INFO),
        ({"RUST_LOG": "trace"}, logging.DEBUG),
        ({"RUST_LOG": "info,bpfman=debug"}, logging.INFO),
        ({"RUST_LOG": "bpfman=warn"}, logging.WARNING),
        ({"BPFMAN_LOG": "WARN", "RUST_LOG": "info"}, logging.WARNING),
        ({"RUST_LOG": "nonsense"}, logging.ERROR),
        ({"RUST_LOG": "off"}, logging.CRITICAL + 1),
        ({"INVOCATION_ID": "x"}, logging.INFO),
        ({"INVOCATION_ID": "x", "BPFMAN_LOG": "error"}, logging.ERROR),
    ],
)
def test_the_environment_sets_the_level(monkeypatch, environment, level):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert log.level_from_environment("error") == level


def test_json_lines():
    loaded, broken, worse = [json.loads(line) for line in written(RUST_LOG="info")]
    assert (loaded["event"], loaded["level"], loaded["caller_uid"]) == ("loaded pass", "info", 0)
    assert loaded["logger"] == "bpfman_core.x"
    assert "T" in loaded["timestamp"]
    assert broken["level"] == "error"
    assert "ZeroDivisionError" in worse["exception"]


def test_errors_only_by_hand():
    assert len(written()) == 2


def test_the_journal_gets_priorities_and_one_line_each(tmp_path):
    with open(tmp_path / "journal", "w+b") as journal:
        at = os.fstat(journal.fileno())
        stream = f"{at.st_dev}:{at.st_ino}"
        env = {**os.environ, "JOURNAL_STREAM": stream, "INVOCATION_ID": "x"}
        subprocess.run([sys.executable, "-c", WRITE], env=env, stderr=journal, check=True)
        journal.seek(0)
        loaded, broken, worse = journal.read().decode().splitlines()
    assert loaded.startswith('<6>event="loaded pass"')
    assert "caller_uid=0" in loaded
    assert broken.startswith("<3>event=broken")
    assert "ZeroDivisionError" in worse


def test_a_journal_elsewhere_does_not_count():
    assert json.loads(written(JOURNAL_STREAM="8:12345")[0])


def test_a_terminal_gets_lines_to_read():
    near, far = pty.openpty()
    env = {**os.environ, "RUST_LOG": "info", "NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", WRITE], env=env, stderr=far, check=True)
    os.close(far)
    text = os.read(near, 1 << 16).decode()
    os.close(near)
    assert "loaded pass" in text
    assert "caller_uid=0" in text
    assert "\x1b[" not in text
    assert not text.startswith("{")


def test_structlog_waits_for_the_first_line():
    code = (
        "import sys, logging; from bpfman_core import log; log.configure('error')\n"
        "logging.getLogger('x').info('unseen')\n"
        "assert 'structlog' not in sys.modules\n"
        "logging.getLogger('x').error('seen')\n"
        "assert 'structlog' in sys.modules\n"
    )
    assert len(written(code)) == 1
