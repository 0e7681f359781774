"""What an attack may take: of time, of memory, of bytes that are sent."""

import gc
import signal
import time
import tracemalloc
from contextlib import contextmanager

from bpfman_core.image.remote.credentials import Credentials

ALICE = {"username": "alice", "password": "s3cret"}
BASIC = Credentials(**ALICE).basic()
MB = 1 << 20
LONGEST = 600  # characters of an error
MEMORY = 150 * MB  # of which all layers, unpacked, may take 64
SENT = 16 * MB


@contextmanager
def soon(seconds=15.0):
    """Fails a block that takes longer; one that only computes is ended."""

    def over(*_):
        raise AssertionError("it goes on and on")

    handler = signal.signal(signal.SIGALRM, over)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)
    start = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
    assert time.monotonic() - start < seconds


@contextmanager
def sparingly(hostile, most=MEMORY):
    """Fails a block that takes more memory, or lets more be sent to it."""
    hostile.sent = 0
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak / MB:.0f} MB"
    assert hostile.sent < SENT


def error_of(action, caplog):
    """Kind and text of the error; what a traceback held open shows here, not in a later test."""
    try:
        action()
        kind, text = None, "no error"
    except Exception as error:
        kind, text = type(error), str(error)
    caplog.clear()
    gc.collect()
    return kind, text
