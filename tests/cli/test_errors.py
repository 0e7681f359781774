"""What users do wrong: one line, the right exit status, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from bpfman_core.testing.agreement import pinned
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN

pytestmark = pytest.mark.kernel


@pytest.fixture
def path(bpfman):
    return bpfman.compiled("tests/several")


def test_files(bpfman, tmp_path, path) -> None:
    assert "No such file" in bpfman.fails("load", "file", "-p", "/none.o", *bpfman.xdp())
    assert "Is a directory" in bpfman.fails("load", "file", "-p", tmp_path, *bpfman.xdp())
    assert "too many for an object" in bpfman.fails(
        "load", "file", "-p", "/dev/zero", *bpfman.xdp()
    )
    short = tmp_path / "short.o"
    short.write_bytes(path.read_bytes()[:500])
    assert "cut short" in bpfman.fails("load", "file", "-p", short, *bpfman.xdp())
    assert "not for BPF" in bpfman.fails("load", "file", "-p", "/bin/true", *bpfman.xdp())


def test_wrong_usage(bpfman, path) -> None:
    load = ("load", "file", "-p", path, "-n", "first")
    assert "'high' is not a valid integer" in bpfman.misused(*load, *bpfman.xdp("high"))
    assert "Missing option '-i' / '--iface'" in bpfman.misused(*load, "xdp", "-p", 1)
    assert "did you mean xdp" in bpfman.misused(*load, "xpd", "--iface", "lo")
    assert "name a program type" in bpfman.misused(*load)
    assert "Missing option '-p' / '--path'" in bpfman.misused("load", "file", *bpfman.xdp())
    assert "'pas' is not one of" in bpfman.misused(*load, *bpfman.xdp(1, "--proceed-on", "pas"))
    assert "No such command 'lod'" in bpfman.misused("lod")
    assert "get ID" in bpfman.misused("get", "everything")
    assert "name what to change" in bpfman.misused("update", 1)
    assert "leave out the type word" in bpfman.misused(
        "load", "file", "-p", path, "--programs", "xdp:first", *bpfman.xdp()
    )


def test_what_the_host_refuses(either, path) -> None:
    load = ("load", "file", "-p", path)
    assert "no interface 'none0'" in either.fails(
        *load, "-n", "first", "xdp", "-i", "none0", "-p", 1
    )
    assert "did you mean first" in either.fails(*load, "-n", "frist", *either.xdp())
    assert "'nope'" in either.fails(*load, "-n", "first", "-g", "nope=00", *either.xdp())
    assert "has 4 bytes" in either.fails(*load, "-n", "first", "-g", "verdict=00", *either.xdp())
    assert "no value" in either.fails(*load, "-n", "first", "-g", "verdict=xyz", *either.xdp())
    owner = ("--map-owner-id", 9)
    assert "no program 9" in either.fails(*load, "-n", "first", *owner, *either.xdp())
    assert "kprobe" in either.fails(*load, "-n", "probe", *either.xdp())
    assert pinned(either.paths) == []


def test_unknown_ids_exit_with_3(either) -> None:
    for words in (("get", 4000000000), ("unload", 4000000000), ("get", "link", 99), ("detach", 99)):
        assert "`bpfman list" in either.fails(*words, status=3)
    assert either("unload", 4000000000, "--ignore-missing") == ""


def test_of_several_ids_those_that_can_go_do(either) -> None:
    program = either.load("examples/xdp_pass", *either.xdp())
    assert "4000000000" in either.fails("unload", 4000000000, program, status=3)
    assert either.ids() == []


def test_a_verifier_rejection_shows_the_end_of_the_log(either, path) -> None:
    done = either.run("load", "file", "-p", path, "-n", "refused", *either.xdp())
    assert done.returncode == 1
    first, *tail = done.stderr.splitlines()
    assert first.startswith("bpfman: the kernel refused program refused: ")
    assert tail[-1] == f"The whole log: {either.paths.verifier_log}"
    assert first.partition("refused: ")[2] in either.paths.verifier_log.read_text()
    assert pinned(either.paths) == []


def test_a_traceback_only_where_it_is_asked_for(bpfman) -> None:
    assert "Traceback" in bpfman.run("--debug", "get", "4000000000").stderr


def test_a_broken_configuration(bpfman) -> None:
    bpfman.paths.config.write_text("[service\n")
    assert "bpfman.toml" in bpfman.fails("list")
    bpfman.paths.config.unlink()


def test_ctrl_c_while_it_waits(bpfman, path) -> None:
    heeding = ("env", "--default-signal=INT")  # what runs in the background may ignore it
    load = (BPFMAN, "load", "file", "-p", path, "-n", "first", *map(str, bpfman.xdp()))
    with (
        bpfman.locked(),
        bpfman.veth.near.namespace.inside(),
        subprocess.Popen([*heeding, *load], stderr=subprocess.PIPE) as waiting,
    ):
        wait_until(lambda: _waits(waiting.pid), "it waits for the lock")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(30) == 130
        assert waiting.stderr.read().strip() == b"bpfman: interrupted"
    assert pinned(bpfman.paths) == []


def _waits(pid: int) -> bool:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            if os.readlink(link).endswith("/.lock"):
                return True
    return False
