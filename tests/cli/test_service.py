"""The service: killed, stopped, kept, asked by many at once, and not there."""

from __future__ import annotations

import os
import random
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from bpfman_core.testing.agreement import check_agreement, pinned
from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel


def test_a_killed_service_leaves_everything_running(bpfman) -> None:
    with bpfman.service() as process:
        ids = [bpfman.load("examples/xdp_counter", *bpfman.xdp(each)) for each in (50, 60)]
        before = bpfman("list")
        process.kill()
        process.wait()
    bpfman.delivered()
    assert bpfman("list") == before
    with bpfman.service() as process:
        assert bpfman("list") == before
        bpfman("unload", ids[0])
        bpfman.delivered()
        bpfman.load("examples/xdp_counter", *bpfman.xdp(70))
        bpfman.stop(process)
    assert pinned(bpfman.paths) == []


def test_a_stopped_service_can_keep_the_programs(bpfman) -> None:
    for words, config in (
        (("--on-stop", "keep"), ""),
        (("--csi-support",), ""),
        ((), '[service]\non_stop = "keep"\n'),
    ):
        bpfman.paths.config.write_text(config)
        with bpfman.service(*words) as process:
            program = bpfman.load("examples/xdp_pass", *bpfman.xdp())
            bpfman.stop(process)
        assert bpfman.ids() == [program]
        bpfman("unload", program)


def test_ctrl_c_unloads_too(bpfman) -> None:
    with bpfman.service() as process:
        bpfman.load("examples/xdp_pass", *bpfman.xdp())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert bpfman.ids() == []


def test_hangup_starts_it_anew_and_keeps_the_programs(bpfman) -> None:
    with bpfman.service() as process:
        program = bpfman.load("examples/xdp_pass", *bpfman.xdp())
        process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: sum(line["event"] == "listening" for line in bpfman.log) == 2,
            "it listens again",
            timeout=30,
        )
        assert bpfman.ids() == [program]
        assert bpfman.json("get", program)["bpfman"]["links"][0]["attached"]
        bpfman.stop(process)
    assert bpfman.ids() == []


def test_every_change_is_logged_with_its_caller(bpfman) -> None:
    with bpfman.service() as process:
        program = bpfman.load("examples/xdp_pass", *bpfman.xdp())
        bpfman("unload", program)
        bpfman.stop(process)
    done = [line for line in bpfman.log if "caller_uid" in line]
    assert [line["caller_uid"] for line in done] == [os.getuid()] * 2
    assert f"unload program {program}: done" in done[1]["event"]


def test_a_service_at_rest_holds_no_programs(bpfman) -> None:
    with bpfman.service() as process:
        bpfman.load("examples/xdp_pass", *bpfman.xdp())
        directory = f"/proc/{process.pid}/fd"
        held = [os.readlink(f"{directory}/{number}") for number in os.listdir(directory)]
        assert not [name for name in held if "bpf" in name and name.startswith("anon_inode")]
        bpfman.stop(process)


def test_eight_clients_at_once(bpfman) -> None:
    path = bpfman.compiled("examples/xdp_pass")

    def client(number: int) -> list[str]:
        wrong = []
        choice = random.Random(number)
        mine: list[str] = []
        for _ in range(6):
            if mine and choice.random() < 0.4:
                words = ["unload", mine.pop(choice.randrange(len(mine)))]
            else:
                place = ["xdp", "-i", bpfman.iface, "-p", str(choice.randrange(100))]
                words = ["load", "file", "-p", str(path), *place]
            done = bpfman.run(*words)
            if done.returncode:
                wrong.append(done.stderr)
            elif words[0] == "load":
                mine += [
                    line.split()[2] for line in done.stdout.splitlines() if " Program ID" in line
                ]
        return wrong

    for serving in (False, True):
        with ThreadPoolExecutor(8) as pool:
            if serving:
                with bpfman.service() as process:
                    wrong = list(pool.map(client, range(8)))
                    process.kill()
                    process.wait()
            else:
                wrong = list(pool.map(client, range(8)))
        assert wrong == [[]] * 8
        check_agreement(bpfman.paths)
        links = bpfman.json("list", "links")
        assert sorted(link["position"] for link in links) == list(range(len(links)))
        ranked = sorted(links, key=lambda link: link["position"])
        keys = [(link["options"]["priority"], link["id"]) for link in ranked]
        assert keys == sorted(keys)
        bpfman.delivered()
        bpfman("unload", *bpfman.ids())


def test_a_writer_beside_the_service_waits_or_is_told(bpfman) -> None:
    bpfman.paths.config.write_text("[database]\nlock_timeout = 0.2\n")
    with bpfman.locked() as process:
        load = ("load", "file", "-p", bpfman.compiled("examples/xdp_pass"))
        said = bpfman.fails(*load, *bpfman.xdp())
        assert f"process {process.pid}" in said
        assert "try again later" in said
    bpfman.load("examples/xdp_pass", *bpfman.xdp())


def test_a_second_service_is_refused(bpfman) -> None:
    with bpfman.service() as process:
        assert "listens" in bpfman.fails("system", "service")
        bpfman.stop(process)


def test_a_dead_socket_that_was_named(bpfman, tmp_path) -> None:
    dead = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(dead))
    said = bpfman.fails("--socket-path", dead, "list")
    assert str(dead) in said
    assert "bpfman system service" in said


def test_a_dead_socket_that_nobody_named_is_passed_by(bpfman) -> None:
    with bpfman.service() as process:
        process.kill()
        process.wait()
    assert bpfman.paths.socket.is_socket()
    assert bpfman.ids() == []


def test_others_than_root(bpfman) -> None:
    # it may read all files, as the tests may lie where only root can look
    read = "+dac_read_search"
    prefix = ("setpriv", "--reuid=65534", "--clear-groups", "--inh-caps", read)
    prefix = (*prefix, "--ambient-caps", read)
    for words in (("list",), ("unload", "1"), ("get", "1"), ("list", "links")):
        done = bpfman.run(*words, prefix=prefix)
        assert done.returncode == 1
        assert "run it as root, or start the service" in done.stderr
        assert done.stderr.count("\n") == 1
    assert bpfman.run("plugins", prefix=prefix).returncode == 0
