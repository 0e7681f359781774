"""Uprobes count the calls of user programs exactly."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

from bpfman_core.api import AttachPart
from bpfman_core.errors import InvalidRequest
from bpfman_core.kernel import maps, pins
from bpfman_core.testing.agreement import check_agreement

pytestmark = pytest.mark.kernel

FUNCTION = "a64l"  # of libc, and hardly ever called
OF = "examples/uprobe_counter"
libc = ctypes.CDLL(None)


def call(times: int) -> None:
    for _ in range(times):
        libc.a64l(b"x")


def libc_path() -> str:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if find_library("c") in line)


class Probed:
    def __init__(self, bpfman, word: str) -> None:
        self.bpfman = bpfman
        self.word = word

    def load(self, **options) -> int:
        part = AttachPart(self.word, {"target": "libc", "fn_name": FUNCTION, **options})
        return self.bpfman.load(None, part, of=OF, word=self.word).kernel.id

    def hits(self, program: int) -> int:
        with pins.open_pin(self.bpfman.paths.map_pin(program, "hits")) as held:
            return sum(count for (count,) in struct.iter_unpack("=Q", maps.lookup(held, bytes(4))))


@pytest.fixture(params=["uprobe", "uretprobe"])
def probed(bpfman, request) -> Probed:
    return Probed(bpfman, request.param)


@pytest.fixture
def uprobe(bpfman) -> Probed:
    return Probed(bpfman, "uprobe")


def test_exact_counts_until_it_is_detached(probed) -> None:
    program = probed.load(pid=os.getpid())
    call(7)
    assert probed.hits(program) == 7
    probed.bpfman.handler.detach(probed.bpfman.handler.get(program).link_ids[0])
    call(5)
    assert probed.hits(program) == 7
    probed.bpfman.handler.unload(program)
    check_agreement(probed.bpfman.paths)


def test_three_on_one_function_detached_in_staggered_order(probed) -> None:
    programs = [probed.load(pid=os.getpid()) for _ in range(3)]
    expected = [0, 0, 0]
    for gone in (1, 0, 2):
        call(4)
        expected = [
            count + (4 if index in standing(probed, programs) else 0)
            for index, count in enumerate(expected)
        ]
        assert [probed.hits(program) for program in programs] == expected
        link = probed.bpfman.handler.get(programs[gone]).link_ids[0]
        probed.bpfman.handler.detach(link)
    call(4)
    assert [probed.hits(program) for program in programs] == expected


def standing(probed, programs: list[int]) -> set[int]:
    views = [probed.bpfman.handler.get(program) for program in programs]
    return {index for index, view in enumerate(views) if view.link_ids}


def test_all_ways_to_name_the_target(uprobe) -> None:
    path = libc_path()
    for target in ("libc", "libc.so.6", path):
        program = uprobe.load(target=target, pid=os.getpid())
        call(3)
        assert uprobe.hits(program) == 3


def test_an_offset_into_the_file(uprobe) -> None:
    nm = subprocess.run(["nm", "-D", libc_path()], capture_output=True, text=True, check=True)
    line = next(line for line in nm.stdout.splitlines() if f" {FUNCTION}@" in line)
    offset = int(line.split()[0], 16)  # in libc's code, addresses are offsets into the file
    program = uprobe.load(fn_name=None, offset=offset, pid=os.getpid())
    call(3)
    assert uprobe.hits(program) == 3


def test_another_process_does_not_count(uprobe) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        program = uprobe.load(pid=other.pid)
        call(3)
        assert uprobe.hits(program) == 0
        other.kill()


def test_the_return_by_the_flag(uprobe) -> None:
    program = uprobe.load(retprobe=True, pid=os.getpid())
    rows = dict(uprobe.bpfman.handler.get(program).links[0].rows)
    assert rows["Return"] == "true"
    call(2)
    assert uprobe.hits(program) == 2


CONTAINED = """
import ctypes, shutil, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
shutil.copy(sys.argv[1], "/mnt/contained.so")
print(flush=True)
sys.stdin.readline()
contained = ctypes.CDLL("/mnt/contained.so")
for _ in range(6):
    contained.a64l(b"x")
print(flush=True)
sys.stdin.readline()
"""


def test_a_target_that_only_a_container_sees(uprobe) -> None:
    command = ["unshare", "--mount", sys.executable, "-c", CONTAINED, libc_path()]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, bufsize=0) as container:
        try:
            container.stdout.readline()
            with pytest.raises(InvalidRequest, match=r"no file /mnt/contained\.so"):
                uprobe.load(target="/mnt/contained.so")
            program = uprobe.load(target="/mnt/contained.so", container_pid=container.pid)
            container.stdin.write(b"\n")
            container.stdout.readline()
            assert uprobe.hits(program) == 6
        finally:
            container.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fn_name": "a64i"}, "no function 'a64i'; did you mean a64l"),
        ({"target": "libk"}, "knows no library 'libk'"),
        ({"target": "/none"}, "there is no file /none"),
        ({"target": "bin/true"}, "not an absolute path"),
        ({"target": "/proc/version"}, "cannot be read as a 64-bit ELF file"),
        ({"offset": 1 << 20}, "so none at offset"),
        ({"fn_name": None}, "neither a function nor an offset"),
        ({"fn_name": None, "offset": 1 << 40}, "ends before offset"),
        ({"pid": 4_000_000}, "no process 4000000"),
        ({"container_pid": 4_000_000}, "no process 4000000"),
    ],
)
def test_what_cannot_be_probed(probed, options, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        probed.load(**options)
    check_agreement(probed.bpfman.paths)
