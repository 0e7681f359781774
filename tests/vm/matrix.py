"""Runs kernel tests under stock kernels, and writes down which feature works on which.

matrix.py [--write] [LINE...]
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import machine
from kernels import LINES, fetch

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".kernels"
TIMEOUT = 1500.0  # seconds

EXACT = "test_every_type.py::test_exact_counts_from_attach_to_detach"
STAGGERED = "test_every_type.py::test_three_on_one_hook_detached_in_staggered_order"
TC = "test_tc.py"
ORDER = f"{TC}::test_counts_and_order"
RULE = "test_dispatch_semantics.py::test_every_verdict_in_every_set_of_one"
TYPES = (
    *("xdp", "tc", "tcx", "tracepoint", "kprobe", "kretprobe", "uprobe", "uretprobe"),
    *("fentry", "fexit"),
)
FEATURES = {
    **{word: f"{EXACT}[{word}]" for word in TYPES},
    **{f"{word}, three at once": f"{STAGGERED}[{word}]" for word in TYPES},
    "xdp, generic mode": "test_programs.py::test_both_xdp_modes",
    "xdp, order and positions": "test_programs.py::test_members_run_in_order_of_priority",
    "xdp, update": "test_programs.py::test_update_moves_a_running_member",
    "tc, order on ingress, clsact": f"{ORDER}[ingress-clsact-tc]",
    "tc, order on egress, clsact": f"{ORDER}[egress-clsact-tc]",
    "tc, order on egress, TCX": f"{ORDER}[egress-tcx-tc]",
    "tcx, order on ingress": f"{ORDER}[ingress-tcx-tcx]",
    "tc, clsact goes with its last user": f"{TC}::test_our_qdisc_goes_with_its_last_user",
    "kprobe, errors": "test_kprobe.py::test_what_cannot_be_probed",
    "fentry, errors": "test_fentry.py::test_a_function_that_is_not_there",
    "the dispatcher's rule": f"{RULE}[xdp]",
}
"""What is proven, each by a test of tests/kernel."""

MUST = {"6.1": ("kprobe", "tracing"), "6.12": ("kprobe", "tracing", "tcx")}
"""Features that no test may be skipped for want of, by kernel line."""


_TEXT = """\
# Kernels

Which feature was proven on which kernel: by a test that loaded, attached, triggered the event, and
read the count. `make test-vm` runs them on stock kernels of Debian in an emulated machine, and
writes this page; the last column is the kernel of the host. `no` means that the kernel lacks what
is needed, and that bpfman says so.

"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", nargs="*", help=", ".join(LINES))
    parser.add_argument("--write", action="store_true", help="write docs/kernels.md")
    chosen = parser.parse_args()
    results, good = {}, True
    for line in chosen.lines or LINES:
        kernel = fetch(line, STORE)
        begin = time.monotonic()
        status, output = machine.run(kernel, _command(line), timeout=TIMEOUT)
        results[_version(kernel.release)] = _results(output)
        print(f"{kernel.release}: exit status {status}, {time.monotonic() - begin:.0f} s")
        if status != 0:
            print(output)
            good = False
    print(_table(results))
    if chosen.write:
        results[f"{_version(platform.release())} (host)"] = _results(_here())
        (ROOT / "docs/kernels.md").write_text(f"{_TEXT}{_table(results)}\n")
    return 0 if good else 1


def _version(release: str) -> str:
    return re.split(r"[-+]", release)[0]


def _command(line: str) -> str:
    must = ",".join(("root", "ip", "libbpf", "dispatcher", *MUST[line]))
    return f"cd {ROOT} && BPFMAN_TEST_MUST_RUN={must} {_pytest()}"


def _pytest() -> str:
    tests = " ".join(sorted({f"'tests/kernel/{test}'" for test in FEATURES.values()}))
    return f"{sys.executable} -m pytest -v -p no:cacheprovider -o timeout=0 {tests}"


def _here() -> str:
    command = ["bash", "-c", _pytest()]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def _results(output: str) -> dict[str, str]:
    """What became of each feature: `yes`, `no` where a test was skipped, `FAILED`."""
    found = re.findall(r"tests/kernel/(.+?) (PASSED|SKIPPED|FAILED|ERROR)", output)
    words = {"PASSED": "yes", "SKIPPED": "no"}
    results = {}
    for feature, test in FEATURES.items():
        outcomes = {words.get(how, "FAILED") for name, how in found if name.startswith(test)}
        results[feature] = "FAILED" if "FAILED" in outcomes else ", ".join(sorted(outcomes))
    return results


def _table(results: dict[str, dict[str, str]]) -> str:
    heading = " | ".join(results)
    rows = [
        f"| {feature} | " + " | ".join(results[release][feature] for release in results) + " |"
        for feature in FEATURES
    ]
    table = [f"| | {heading} |", "|---" * (len(results) + 1) + "|", *rows]
    return "\n".join(table)


if __name__ == "__main__":
    raise SystemExit(main())
