"""Objects are read, and nothing but an InvalidObject comes of bytes that are none."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfman_core import elf
from bpfman_core.elf import Function, Global
from bpfman_core.errors import InvalidObject, InvalidRequest

INCLUDES = ["-isystem", f"/usr/include/{os.uname().machine}-linux-gnu"]


@pytest.fixture(scope="module")
def several(bpf_object) -> bytes:
    return bpf_object("tests/several").read_bytes()


def compiled(directory: Path, source: str, target: str = "bpf") -> bytes:
    made = directory / "made.o"
    command = ["clang", "-target", target, "-O2", "-g", *INCLUDES, "-c", "-x", "c", "-", "-o", made]
    subprocess.run(command, input=source, text=True, check=True)
    return made.read_bytes()


def test_functions_and_globals(several: bytes) -> None:
    found = elf.parse(several)
    assert set(found.functions) == {
        Function("first", "pass"),
        Function("second", "xdp"),
        Function("refused", "xdp/refused"),
        Function("probe", "kprobe/do_nanosleep"),
    }
    assert set(found.globals) >= {
        Global("verdict", ".rodata", 0, 4),
        Global("greeting", ".bss", 0, 16),
        Global("runs", ".bss", 16, 8),
    }


def test_a_program_by_function_by_section_or_alone(several: bytes, bpf_object) -> None:
    found = elf.parse(several)
    assert found.resolve("first") == found.resolve("pass") == Function("first", "pass")
    with pytest.raises(InvalidRequest, match=r"several programs: .*first"):
        found.resolve(None)
    with pytest.raises(InvalidRequest, match=r"no program 'seond'; .*did you mean second"):
        found.resolve("seond")
    alone = elf.parse(bpf_object("examples/xdp_pass").read_bytes())
    assert alone.resolve(None).name == "pass"


def test_functions_that_are_no_programs(tmp_path) -> None:
    source = """
    __attribute__((noinline)) static int local(int a) { return a * 3; }
    __attribute__((noinline)) int global(int a) { return local(a) + 1; }
    __attribute__((section("xdp"))) int one(int *c) { return global(*c); }
    __attribute__((section("xdp"))) int two(int *c) { return 2; }
    """
    found = elf.parse(compiled(tmp_path, source))
    assert {function.name for function in found.functions} == {"one", "two"}
    with pytest.raises(InvalidRequest, match="section 'xdp' holds several programs: one, two"):
        found.resolve("xdp")


def test_the_other_byte_order(tmp_path) -> None:
    other = "bpfeb" if sys.byteorder == "little" else "bpfel"
    source = '__attribute__((section("xdp"))) int one(int *c) { return 2; }'
    with pytest.raises(InvalidObject, match="other byte order"):
        elf.parse(compiled(tmp_path, source, other))


def test_an_object_without_programs(tmp_path) -> None:
    with pytest.raises(InvalidObject, match="holds no programs"):
        elf.parse(compiled(tmp_path, "int variable = 1;"))


def test_objects_of_other_machines() -> None:
    data = Path("/proc/self/exe").read_bytes()[:4096]
    with pytest.raises(InvalidObject, match="not for BPF"):
        elf.parse(data)
    with pytest.raises(InvalidObject, match="64-bit"):
        elf.parse(data[:4] + b"\1" + data[5:])


def test_every_truncation(several: bytes) -> None:
    for size in range(0, len(several), 97):
        with pytest.raises(InvalidObject):
            elf.parse(several[:size])


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_any_damage(several: bytes, data) -> None:
    damaged = bytearray(several)
    for _ in range(data.draw(st.integers(1, 6))):
        # the headers are where damage matters: at the beginning, and the sections' at the end
        region = st.integers(0, 63) | st.integers(len(several) - 2000, len(several) - 1)
        damaged[data.draw(region | st.integers(0, len(several) - 1))] = data.draw(
            st.integers(0, 255)
        )
    with contextlib.suppress(InvalidObject, InvalidRequest):
        elf.parse(bytes(damaged)).resolve("first")


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(InvalidObject):
        elf.parse(b"\x7fELF" + data)
