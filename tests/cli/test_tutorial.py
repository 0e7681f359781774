"""The tutorial, line for line; ids, times, sizes and tags differ."""

from __future__ import annotations

import re

import pytest

from bpfman_core.testing.waiting import wait_until

pytestmark = pytest.mark.kernel

URL = "quay.io/bpfman-bytecode/xdp_pass:latest"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"

STATE = """\
 Bpfman State
---------------
 Name:          pass
{origin}
 Global:        None
 Metadata:      None
 Map Pin Path:  {maps}/{id}
 Map Owner ID:  None
 Map Used By:   {id}
 Priority:      {priority}
 Iface:         {iface}
 Position:      {position}
 Proceed On:    pass, dispatcher_return
 XDP Mode:      native
 Link ID:       {number}

 Kernel State
----------------------------------
 Program ID:                       {id}
 Name:                             pass
 Type:                             xdp
 Loaded At:                        {time}
 Tag:                              {tag}
 GPL Compatible:                   true
 Map IDs:                          {map_ids}
 BTF ID:                           {number}
 Size Translated (bytes):          {number}
 JITed:                            true
 Size JITed (bytes):               {number}
 Kernel Allocated Memory (bytes):  {number}
 Verified Instruction Count:       {number}
"""
IMAGE = f" Image URL:     {URL}\n Pull Policy:   IfNotPresent"


def shows(output: str, bpfman, *, program: int, priority: int, position: int, origin: str = IMAGE):
    """Compare with the tutorial's block."""
    values = {
        "origin": re.escape(origin),
        "maps": re.escape(str(bpfman.paths.bpffs / "maps")),
        "id": str(program),
        "priority": str(priority),
        "iface": bpfman.iface,
        "position": str(position),
        "number": r"\d+",
        "time": TIME,
        "tag": "[0-9a-f]{16}",
        "map_ids": r"\[\d+\]",
    }
    template = re.escape(STATE)
    for name, pattern in values.items():
        template = template.replace(re.escape(f"{{{name}}}"), pattern)
    assert re.fullmatch(template, output), output


def printed_id(output: str) -> int:
    return int(re.search(r"^ Program ID: +(\d+)$", output, re.MULTILINE)[1])


def lists(output: str, ids: list[int]) -> None:
    heading, *rows = output.splitlines()
    width = max(len("Program ID"), *(len(str(number)) for number in ids)) if ids else 10
    assert heading == f" {'Program ID':<{width}}  Name  Type  Load Time"
    assert len(rows) == len(ids)
    for row, number in zip(rows, ids, strict=True):
        assert re.fullmatch(rf" {number!s:<{width}}  pass  xdp   {TIME}", row)


def test_the_tutorial(either) -> None:
    image = ("load", "image", "--image-url", URL)

    def load(priority: int, position: int, *words: str) -> int:
        place = ("xdp", "--iface", either.iface, "--priority", priority)
        done = either.run(*image, *place, *words)
        assert done.returncode == 0
        program = printed_id(done.stdout)
        shows(done.stdout, either, program=program, priority=priority, position=position)
        return program

    def get(program: int, priority: int, position: int) -> None:
        output = either("get", program)
        shows(output, either, program=program, priority=priority, position=position)

    first = load(100, 0)
    lists(either("list"), [first])
    get(first, 100, 0)
    second = load(50, 0)
    third = load(200, 2)
    lists(either("list"), [first, second, third])
    get(first, 100, 1)
    get(second, 50, 0)
    get(third, 200, 2)
    fourth = load(150, 2, "--proceed-on", "pass", "--proceed-on", "dispatcher_return")
    lists(either("list"), [first, second, third, fourth])
    either.delivered()
    assert either("unload", first) == ""
    lists(either("list"), [second, third, fourth])
    get(second, 50, 0)
    get(third, 200, 2)
    get(fourth, 150, 1)
    either.delivered()


def test_load_file(either) -> None:
    path = either.compiled("examples/xdp_pass")
    place = ("xdp", "--iface", either.iface, "--priority", 100)
    output = either("load", "file", "--path", path, "--name", "pass", *place)
    program = printed_id(output)
    origin = f" Path:          {path}"
    shows(output, either, program=program, priority=100, position=0, origin=origin)
    assert either("get", program) == output


def test_when_bpfman_is_stopped_all_programs_are_unloaded(bpfman) -> None:
    with bpfman.service() as process:
        place = ("xdp", "--iface", bpfman.iface, "--priority")
        for priority in (100, 50):
            bpfman("load", "image", "--image-url", URL, *place, priority)
        assert "xdp" in bpfman.veth.near.namespace.ip("link", "show", bpfman.iface)
        bpfman.stop(process)
    assert bpfman.ids() == []
    wait_until(
        lambda: "xdp" not in bpfman.veth.near.namespace.ip("link", "show", bpfman.iface),
        "the interface has no XDP program",
    )


def test_the_valid_values_are_in_the_help(bpfman) -> None:
    text = " ".join(bpfman("load", "image", "xdp", "--help").split())
    assert "aborted, drop, pass, tx, redirect, dispatcher_return" in text
