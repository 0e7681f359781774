"""Why an object could not be loaded: the verifier's reason, or libbpf's."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Mapping, Sequence

from bpfman_core.errors import BpfmanError, Denied, KernelError, Unsupported, VerifierRejected
from bpfman_core.kernel.programs import kind_name


def explain(
    code: int, log: mmap.mmap, said: Sequence[str], wanted: Mapping[str, int]
) -> BpfmanError:
    """The error for `code`, out of the verifier's log (up to its first NUL) and libbpf's words.

    `wanted` are the functions that were to be loaded, and their program types' numbers.
    """
    length = log.find(b"\0")
    text = log[: length if length >= 0 else len(log)].decode(errors="replace").strip()
    if text:
        telling = _telling(text)
        refused = [name for name in wanted if any(f"prog '{name}'" in line for line in said)]
        names = ", ".join(refused or wanted)
        return VerifierRejected(
            f"the kernel refused program {names}: {telling}", log=text, telling=telling
        )
    if code == errno.EPERM and os.geteuid() != 0:
        return Denied("only root may load programs", hint="run it as root, or start the service")
    if code == errno.EPERM:
        kinds = " and ".join(sorted({kind_name(kind) for kind in wanted.values()}))
        return Unsupported(
            f"this kernel refuses {kinds} programs even to root",
            feature=kinds,
            hint="it is hardened, or locked down",
        )
    return KernelError("loading the object", code, detail=_reason(said))


def _reason(said: Sequence[str]) -> str:
    """What libbpf said last that is neither a summary nor its guess at memory limits."""
    empty = ("failed to load object", "permission error while running as root")
    return next((line for line in reversed(said) if not line.startswith(empty)), "")


def _telling(log: str) -> str:
    """The last line of a verifier log that is about the program."""
    lines = [line for line in log.splitlines() if line and not line.startswith("processed ")]
    return lines[-1].strip() if lines else log
