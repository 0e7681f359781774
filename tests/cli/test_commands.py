"""Commands beyond the tutorial, and what users do with their output."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import BPFMAN

pytestmark = pytest.mark.kernel

LEVELS = (
    *((), ("load",), ("load", "file"), ("load", "image"), ("load", "file", "xdp")),
    *(("load", "image", "xdp"), ("load", "image", "tracepoint"), ("attach",), ("attach", "xdp")),
    *(("detach",), ("update",), ("unload",), ("list",), ("get",), ("plugins",), ("image",)),
    *(("image", "pull"), ("system",), ("system", "service"), ("completion",)),
)


@pytest.mark.parametrize("words", LEVELS, ids=" ".join)
def test_help_needs_nothing_else(bpfman, words) -> None:
    if words == ("attach", "xdp"):
        words = ("attach", "1", "xdp")
    assert bpfman(*words, "--help").startswith(f"Usage: bpfman {' '.join(words[:1])}".rstrip())


def test_lists_in_both_spellings(either) -> None:
    several = either.compiled("tests/several")
    long = either.json(
        *("load", "file", "-p", several, "-n", "first"),
        *("-g", "verdict=02000000", "-g", "greeting=str:hello", "-m", "a=1", "-m", "b=2"),
        *either.xdp(50, "--proceed-on", "pass", "--proceed-on", "drop"),
    )
    short = either.json(
        *("load", "file", "-p", several, "-n", "first"),
        *("-g", "verdict=u32:2", "greeting=str:hello", "-m", "a=1", "b=2"),
        *either.xdp(50, "--proceed-on", "pass", "drop"),
    )
    for key in ("globals", "metadata"):
        assert long["bpfman"][key] == short["bpfman"][key]
    assert long["bpfman"]["links"][0]["options"] == short["bpfman"]["links"][0]["options"]
    assert long["bpfman"]["metadata"] == {"a": "1", "b": "2"}
    assert long["bpfman"]["globals"] == {"verdict": "02000000", "greeting": b"hello\0".hex()}


def test_several_programs_at_once_then_attached_one_by_one(either) -> None:
    several = either.compiled("tests/several")
    words = ("load", "file", "-p", several, "--programs", "xdp:first", "xdp:second")
    first, second = (loaded["kernel"]["id"] for loaded in either.json(*words))
    assert " Links:         None\n" in either("get", first)
    link = either.json("attach", first, *either.xdp(10))["id"]
    other = either.json("attach", second, *either.xdp(20))["id"]
    either.delivered()
    assert [row["position"] for row in either.json("list", "links")] == [0, 1]
    changed = either.json("update", other, "--priority", 5, "--proceed-on", "pass", "drop")
    assert (changed["position"], changed["options"]["priority"]) == (0, 5)
    assert changed["options"]["proceed_on"] == ["pass", "drop"]
    assert either("detach", link, other) == ""
    assert either.json("list", "links") == []
    assert either("list", "links", "--quiet") == ""
    assert either.ids() == [first, second]


def test_a_link_as_text(either) -> None:
    program = either.load("examples/xdp_pass", *either.xdp())
    text = either("get", "link", 1)
    assert text.startswith(f" Link\n{'-' * 13}\n Link ID:     1\n Program ID:  {program}\n")
    assert " Position:    0\n" in text
    table = either("list", "links").splitlines()
    assert table[0].split() == ["Link", "ID", "Program", "ID", "Type", "Position", "Attached"]
    assert table[1].split() == ["1", str(program), "xdp", "0", "true"]


def test_maps_shared_and_labels_found(either) -> None:
    owner = either.load("tests/several", "-n", "first", *either.xdp(1))
    words = ("-n", "second", "--map-owner-id", owner, "-m", "team=edge", "-a", "wall")
    user = either.load("tests/several", *words, *either.xdp(2))
    text = either("get", owner)
    assert f" Map Used By:   {owner}\n                {user}\n" in text
    text = either("get", user)
    assert f" Map Owner ID:  {owner}\n" in text
    assert " Metadata:      team=edge\n" in text
    for words in (("-m", "team=edge"), ("--application", "wall"), ("-m", "team=edge", "-p", "xdp")):
        assert either("list", "-q", *words) == f"{user}\n"
    assert either("list", "-q", "-p", "tracepoint") == ""
    assert str(user) in either("list", "-q", "--all").split()


def test_a_program_of_somebody_else(either, load_object) -> None:
    stranger = load_object("tests/chain_packets").id("rewrite")
    text = either("get", stranger)
    assert text.startswith(" Bpfman State\n---------------\n NONE\n\n Kernel State\n")
    assert either.json("get", stranger)["bpfman"] is None


def test_images_say_where_they_came_from(either) -> None:
    url = "quay.io/bpfman-bytecode/xdp_pass:latest"
    done = either.run("load", "image", "-i", url, "-o", "json", *either.xdp())
    assert done.returncode == 0
    assert '"source": "seed:' in done.stdout
    assert '"digest": "sha256:' in done.stdout


def test_seeds_can_be_turned_off(bpfman) -> None:
    bpfman.paths.config.write_text("[images]\noffline = true\nseeds = []\n")
    url = "quay.io/bpfman-bytecode/xdp_pass:latest"
    assert url in bpfman.fails("load", "image", "-i", url, *bpfman.xdp())


def test_plugins(either) -> None:
    found = {info["name"]: info for info in either.json("plugins")}
    assert found["xdp"]["status"] == "active"
    assert found["tracepoint"]["types"] == ["tracepoint"]


def test_the_version_and_completion(bpfman) -> None:
    assert bpfman("--version").startswith("bpfman 0.")
    for shell in ("bash", "zsh", "fish"):
        assert "_BPFMAN_COMPLETE" in bpfman("completion", shell)


def test_a_reader_that_hangs_up_is_no_error(bpfman) -> None:
    script = f"{BPFMAN} list --all --output json | head -c 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr


def test_list_imports_little(bpfman) -> None:
    bpfman.paths.config.unlink()
    code = (
        "import sys; from bpfman_core.cli.main import run; run(sys.argv[1:]); print(*sys.modules)"
    )
    for words in (("list",), ("--help",)):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        heavy = {"oras", "pyroute2", "rich", "grpc", "grpclib", "google.protobuf", "structlog"}
        heavy |= {"pluggy", "importlib.metadata", "tomli"}
        assert not heavy & loaded, words
