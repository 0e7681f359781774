"""`bpfman image`, and images loaded and attached, with and without a service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import BPFMAN
from tests.image.registries import Registry

pytestmark = pytest.mark.kernel


@pytest.fixture(params=["open", "basic", "tls", "token"])
def registry(request, registries, bpfman) -> Registry:
    found = registries(request.param)
    bpfman.configure(found.config)
    return found


def auth(registry: Registry) -> Sequence[str]:
    return ("--registry-auth", registry.secret) if registry.secret else ()


def test_built_pushed_and_loaded(bpfman, registry) -> None:
    """The whole way of an image: from an object to packets that run its program."""
    url = registry.reference("team/xdp:1")
    object_file = bpfman.compiled("examples/xdp_counter")
    made = bpfman.json("image", "build", "--tag", url, "--bytecode", object_file)
    assert made["programs"] == {"xdp_counter": "xdp"}
    pushed = bpfman("image", "push", url, *auth(registry))
    assert pushed == f"{registry.host}/team/xdp@{made['digest']}\n"
    bpfman("image", "remove", url)
    loaded = bpfman.json("load", "image", "-i", url, *auth(registry), *bpfman.xdp())
    origin = loaded["bpfman"]["origin"]
    assert origin["source"] == f"registry:{registry.host}"
    assert (origin["digest"], origin["signature"]) == (made["digest"], "unsigned")
    bpfman.delivered(7)
    again = bpfman.json("load", "image", "-i", url, "--pull-policy", "Never", *bpfman.xdp())
    assert again["bpfman"]["origin"]["source"].startswith("cache:")


def test_the_cache(bpfman, registries) -> None:
    registry = registries("open")
    one, two = registry.reference("team/one:1"), registry.reference("team/two:1")
    object_file = bpfman.compiled("examples/xdp_pass")
    for url in (one, two):
        bpfman("image", "build", "--tag", url, "--bytecode", object_file, "--push")
        bpfman("image", "pull", url)
    assert bpfman("image", "list", "--quiet").split() == [one, two]
    row = bpfman.json("image", "list")[0]
    assert (row["image"], row["signature"]) == (one, "unsigned")
    bpfman("image", "remove", one)
    assert "not in the cache" not in bpfman("image", "inspect", two)
    assert "no image" in bpfman.fails("image", "remove", one, status=3)
    assert int(bpfman("image", "prune").split()[0]) == 0
    assert int(bpfman("image", "prune", "--all").split()[0]) > 0
    assert bpfman("image", "list", "--quiet") == ""


def test_inspect(bpfman, registries) -> None:
    url = registries("open").reference("team/inspected:1")
    object_file = bpfman.compiled("examples/tc_counter")
    objects = ("--bc-amd64-el", object_file, "--bc-arm64-el", object_file)
    made = bpfman.json("image", "build", "--tag", url, *objects, "--push")
    assert made["platforms"] == ["amd64", "arm64"]
    seen = bpfman.json("image", "inspect", url)
    assert seen["digest"] == made["digest"]
    assert [one["platform"] for one in seen["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert seen["platforms"][0]["programs"] == {"tc_counter": "tc"}
    assert seen["platforms"][0]["maps"] == {"traffic": "per_cpu_array", ".rodata": "array"}
    text = bpfman("image", "inspect", url)
    assert "linux/arm64" in text
    assert "traffic: per_cpu_array" in text


def test_the_same_objects_make_the_same_image(bpfman, tmp_path) -> None:
    object_file = bpfman.compiled("examples/xdp_pass")
    digests = set()
    for name in ("a", "b"):
        words = ("--tag", f"quay.io/x/{name}:1", "--to", f"oci:{tmp_path}/{name}")
        digests.add(bpfman.json("image", "build", *words, "--bytecode", object_file)["digest"])
    assert len(digests) == 1
    loaded = bpfman.json("load", "image", "-i", f"oci:{tmp_path}/a", *bpfman.xdp())
    assert loaded["bpfman"]["origin"]["source"] == f"layout:{tmp_path}/a"


def test_objects_named_as_bpf2go_does(bpfman, tmp_path) -> None:
    data = bpfman.compiled("examples/xdp_pass").read_bytes()
    for name in ("probe_bpfel.o", "probe_x86_bpfel.o", "README"):
        (tmp_path / name).write_bytes(data)
    words = ("--tag", "quay.io/x/probe:1", "--cilium-ebpf-project", tmp_path)
    made = bpfman.json("image", "build", *words)
    assert {"amd64", "arm64", "riscv64"} <= set(made["platforms"])
    assert "s390x" not in made["platforms"]
    arguments = bpfman("image", "generate-build-args", "--cilium-ebpf-project", tmp_path)
    assert f"BC_AMD64_EL={tmp_path}/probe_x86_bpfel.o" in arguments
    assert f"BC_ARM64_EL={tmp_path}/probe_bpfel.o" in arguments
    (tmp_path / "other_bpfel.o").write_bytes(data)
    assert "it holds those of other, probe" in bpfman.fails("image", "build", *words)


def test_build_args_of_one_object(bpfman) -> None:
    path = bpfman.compiled("examples/xdp_pass").relative_to(Path.cwd())
    assert bpfman("image", "generate-build-args", "--bytecode", path.absolute()).splitlines() == [
        f"BYTECODE_FILE={path}",
        'PROGRAMS={"pass":"xdp"}',
        'MAPS={"hits":"per_cpu_array"}',
    ]


def test_what_cannot_be_built(bpfman, tmp_path) -> None:
    text, tag = tmp_path / "x.o", ("--tag", "quay.io/x/y:1")
    text.write_text("no object")
    assert "no 64-bit ELF" in bpfman.fails("image", "build", *tag, "--bytecode", text)
    assert "No such file" in bpfman.fails("image", "build", *tag, "--bytecode", tmp_path / "none")
    native = bpfman.compiled("examples/xdp_pass")
    wrong = ("--bc-s390x-eb", native, "--bc-amd64-el", native)
    assert "s390x's byte order" in bpfman.fails("image", "build", *tag, *wrong)
    assert "either" in bpfman.misused("image", "build", *tag)
    assert "is no image reference" in bpfman.fails("image", "build", "--tag", "Q:", "-b", native)


def test_push_of_what_is_not_there_in_full(bpfman, registries) -> None:
    registry = registries("open")
    url, object_file = registry.reference("team/part:1"), bpfman.compiled("examples/xdp_pass")
    objects = ("--bc-amd64-el", object_file, "--bc-arm64-el", bpfman.compiled("examples/xdp_drop"))
    said = bpfman.fails("image", "build", "--tag", url, *objects)
    assert "holds other programs" in said
    assert "not in the cache" in bpfman.fails("image", "push", url, status=3)


def test_a_service_uses_the_callers_credentials(bpfman, registries, nobody_at_home) -> None:
    """What the caller has stored goes along; the service itself has nothing."""
    registry = registries("basic")
    url = registry.reference("team/served:1")
    path = bpfman.compiled("examples/xdp_pass")
    bpfman("image", "build", "--tag", url, "-b", path, "--push", *auth(registry))
    environment = ["env", f"HOME={bpfman.paths.runtime}"]
    log = bpfman.paths.runtime.parent / "log"
    command = [*environment, "RUST_LOG=debug", BPFMAN, "system", "service", "--timeout=0"]
    with (
        open(log, "wb") as stderr,
        subprocess.Popen(list(map(str, command)), stderr=stderr) as process,
    ):
        from bpfman_core.rpc.probe import available
        from bpfman_core.testing.waiting import wait_until

        wait_until(lambda: available(bpfman.paths.socket), "it listens", timeout=20)
        assert "wants credentials" in bpfman.fails("image", "pull", url)
        stored = nobody_at_home / ".docker/config.json"
        stored.parent.mkdir()
        stored.write_text(json.dumps({"auths": {registry.host: {"auth": registry.secret}}}))
        bpfman("image", "pull", url)
        loaded = bpfman.json("load", "image", "-i", url, *bpfman.xdp())
        assert loaded["bpfman"]["origin"]["source"].startswith("cache:")
        bpfman("unload", loaded["kernel"]["id"])
        process.terminate()
        assert process.wait(20) == 0
    for text in (log.read_text(), bpfman.paths.database.read_bytes().decode(errors="ignore")):
        assert "s3cret" not in text
        assert registry.secret not in text


def test_nothing_is_said_where_there_is_no_terminal(bpfman, registries) -> None:
    url = registries("open").reference("team/quiet:1")
    path = bpfman.compiled("examples/xdp_pass")
    bpfman("image", "build", "--tag", url, "-b", path, "--push")
    assert bpfman("image", "pull", url) == ""


def test_every_command_has_help(bpfman) -> None:
    listed = bpfman("image", "--help").partition("Commands:\n")[2]
    for line in listed.splitlines():
        assert "--help" in bpfman("image", line.split()[0], "--help")
