"""`bpfman image`, and images loaded and attached, with and without a service."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bpfman_core.image.build import NewImage, assemble
from tests.image.hostile import forged, tar_layer
from tests.image.outside import compiled
from tests.image.registries import Registry, free_port
from tests.image.signers import KEYS

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


def test_objects_that_hold_different_programs(bpfman) -> None:
    objects = ("--bc-amd64-el", bpfman.compiled("examples/xdp_pass"))
    objects += ("--bc-arm64-el", bpfman.compiled("examples/xdp_drop"))
    tag = ("--tag", "quay.io/x/y:1")
    assert "holds other programs" in bpfman.fails("image", "build", *tag, *objects)
    assert "not in the cache" in bpfman.fails("image", "push", tag[1], status=3)


def test_programs_of_sections_that_do_not_tell(bpfman, tmp_path) -> None:
    path = compiled(tmp_path, "bpfel")
    build = ("image", "build", "--tag", "quay.io/x/y:1", "-b", path)
    said = bpfman.fails(*build)
    assert "no installed program type is for section '.text'" in said or "no program" in said
    path = compiled(tmp_path, "bpfel", section="mine")
    assert "say what it is: --programs TYPE:pass" in bpfman.fails(*build)
    assert bpfman.json(*build, "--programs", "xdp:pass")["programs"] == {"pass": "xdp"}
    loaded = bpfman.json("load", "image", "-i", "quay.io/x/y:1", *bpfman.xdp())
    assert loaded["bpfman"]["origin"]["signature"] == "built here"
    bpfman.delivered(3)


def test_an_image_for_both_byte_orders(bpfman, tmp_path) -> None:
    """One of them cannot be read here; it is packed as it is."""
    little, big = (tmp_path / name for name in ("probe_bpfel.o", "probe_bpfeb.o"))
    little.write_bytes(compiled(tmp_path, "bpfel", section="xdp").read_bytes())
    big.write_bytes(compiled(tmp_path, "bpfeb", section="xdp").read_bytes())
    layout = f"oci:{tmp_path}/layout"
    words = ("--tag", "quay.io/x/probe:1", "--cilium-ebpf-project", tmp_path, "--to", layout)
    made = bpfman.json("image", "build", *words)
    assert {"amd64", "s390x"} <= set(made["platforms"])
    seen = bpfman.json("image", "inspect", layout)
    layers = {one["platform"]: one["layers"][0]["digest"] for one in seen["platforms"]}
    assert layers["linux/amd64"] == layers["linux/arm64"] != layers["linux/s390x"]
    bpfman("load", "image", "-i", layout, *bpfman.xdp())
    bpfman.delivered(3)


def test_a_directory_of_something_else(bpfman, tmp_path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming/letter").write_text("dear")
    (tmp_path / "index.json").write_text("mine")
    path = bpfman.compiled("examples/xdp_pass")
    build = ("image", "build", "--tag", "quay.io/x/y:1", "-b", path)
    assert "is no image layout and not empty" in bpfman.fails(*build, "--to", f"oci:{tmp_path}")
    assert (tmp_path / "incoming/letter").read_text() == "dear"
    assert (tmp_path / "index.json").read_text() == "mine"
    assert "is no image layout" in bpfman.fails(*build, "--to", f"oci:{path}")
    assert "oci: and a directory" in bpfman.misused(*build, "--to", str(tmp_path))


def test_pushed_out_of_a_layout_and_to_another_name(bpfman, registries, tmp_path) -> None:
    registry, name = registries("open"), "quay.io/x/y:1"
    build = ("image", "build", "--tag", name, "-b", bpfman.compiled("examples/xdp_pass"))
    digest = bpfman.json(*build, "--to", f"oci:{tmp_path}/layout")["digest"]
    assert "name the destination too" in bpfman.misused("image", "push", f"oci:{tmp_path}/layout")
    first, second = registry.reference("team/first:1"), registry.reference("team/second:1")
    said = bpfman("image", "push", f"oci:{tmp_path}/layout:{name}@{digest}", first)
    assert said == f"{registry.host}/team/first@{digest}\n"
    bpfman("image", "pull", first)
    bpfman("image", "push", first, second)
    assert bpfman.json("image", "inspect", second)["digest"] == digest
    assert "push to a tag" in bpfman.fails("image", "push", first, f"{second}@{digest}")


def test_push_of_what_is_not_here_in_full(bpfman, registries, pushed, bpf_object) -> None:
    data = bpf_object("examples/xdp_pass").read_bytes()
    other = bpf_object("examples/xdp_drop").read_bytes()
    image = assemble(NewImage("x.o", {"amd64": data, "arm64": other}, {}, {}))
    pushed(registries("open"), "team/several:1", image)
    url = registries("open").reference("team/several:1")
    bpfman("image", "pull", url)
    said = bpfman.fails("image", "push", url, registries("open").reference("team/again:1"))
    assert "not here in full" in said
    assert "only this host's part is pulled" in said


def test_offline_nothing_is_pushed_nor_verified(bpfman, registries, tmp_path) -> None:
    url = registries("open").reference("team/offline:1")
    bpfman("image", "build", "-t", url, "-b", bpfman.compiled("examples/xdp_pass"))
    bpfman.configure("[signing]")
    bpfman.paths.config.write_text("[images]\noffline = true\n")
    key = KEYS / "cosign.pub"
    for words in (("push", url), ("verify", url, "--key", key), ("pull", f"{url}x")):
        assert "no registry is asked for" in bpfman.fails("image", *words)
    loaded = bpfman.json("load", "image", "-i", url, *bpfman.xdp())
    assert loaded["bpfman"]["origin"]["source"].startswith("cache:")


def test_a_seed_that_stands_in_is_a_warning(bpfman, tmp_path) -> None:
    url, seed = f"127.0.0.1:{free_port()}/team/x:1", f"{tmp_path}/seed"
    build = ("image", "build", "-b", bpfman.compiled("examples/xdp_pass"))
    digest = bpfman.json(*build, "-t", url, "--to", f"oci:{seed}")["digest"]
    for offline in ("false", "true"):
        bpfman.paths.config.write_text(f'[images]\nseeds = ["{seed}"]\noffline = {offline}\n')
        done = bpfman.run("load", "image", "-i", url, *bpfman.xdp())
        assert done.returncode == 0
        if offline == "true":
            assert done.stderr == ""
        else:
            assert done.stderr.startswith("bpfman: warning: cannot reach 127.0.0.1:")
            assert done.stderr.endswith(f"in {seed} with digest {digest}\n")
            assert done.stderr.count("\n") == 1


def test_what_images_say_does_not_move_the_cursor(bpfman, registries, pushed, bpf_object) -> None:
    data = bpf_object("examples/xdp_pass").read_bytes()
    labels = {"io.ebpf.programs": json.dumps({"pass": "x\x1b]0;mine\x07", "\x1b[2J": "xdp"})}
    pushed(registries("open"), "team/odd:1", forged(tar_layer(("x.o", data)), labels=labels))
    url = registries("open").reference("team/odd:1")
    said = bpfman("image", "inspect", url)
    assert "\x1b" not in said
    assert "?[2J: xdp" in said
    assert bpfman.json("image", "inspect", url)["platforms"][0]["programs"]["\x1b[2J"] == "xdp"


def test_a_replaced_tag_is_pruned(bpfman, registries) -> None:
    url = registries("open").reference("team/moving:1")
    for example in ("xdp_pass", "xdp_drop"):
        bpfman("image", "build", "-t", url, "-b", bpfman.compiled(f"examples/{example}"))
    freed = int(bpfman("image", "prune").split()[0])
    assert freed > bpfman.json("image", "list")[0]["size"] / 2
    assert bpfman("image", "prune") == "0 bytes freed\n"
    assert bpfman.json("load", "image", "-i", url, *bpfman.xdp())["bpfman"]["name"] == "drop"


def test_a_service_uses_the_callers_credentials(bpfman, registries, nobody_at_home) -> None:
    """What the caller has stored goes along; the service itself has nothing."""
    registry = registries("basic")
    url = registry.reference("team/served:1")
    path = bpfman.compiled("examples/xdp_pass")
    bpfman("image", "build", "--tag", url, "-b", path, "--push", *auth(registry))
    elsewhere = {**os.environ, "HOME": str(bpfman.paths.runtime), "RUST_LOG": "debug"}
    with bpfman.service(env=elsewhere) as process:
        assert "wants credentials" in bpfman.fails("image", "pull", url)
        stored = nobody_at_home / ".docker/config.json"
        stored.parent.mkdir()
        stored.write_text(json.dumps({"auths": {registry.host: {"auth": registry.secret}}}))
        bpfman("image", "pull", url)
        loaded = bpfman.json("load", "image", "-i", url, *bpfman.xdp())
        assert loaded["bpfman"]["origin"]["source"].startswith("cache:")
        bpfman("unload", loaded["kernel"]["id"])
        bpfman.stop(process)
    for text in (bpfman.said, bpfman.paths.database.read_bytes().decode(errors="ignore")):
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
