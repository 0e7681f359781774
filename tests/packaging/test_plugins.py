"""A program type is there because its distribution is installed, and for no other reason."""

import re
import shutil
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"


def type_words(environment):
    """The type words that `load file --help` offers."""
    _, _, commands = environment.bpfman("load", "file", "--help").partition("Commands:\n")
    return set(re.findall(r"^  ([a-z]\S*)", commands, re.MULTILINE))


def test_type_words_come_and_go_with_their_plugins(environment, wheels):
    environment.install(wheels["bpfman"])
    assert type_words(environment) == set()
    environment.install(wheels["xdp"])
    assert type_words(environment) == {"xdp"}
    environment.install(wheels["tracepoint"])
    assert type_words(environment) == {"tracepoint", "xdp"}
    environment.uninstall("bpfman-xdp")
    assert type_words(environment) == {"tracepoint"}
    environment.install(wheels["xdp"])
    assert type_words(environment) == {"tracepoint", "xdp"}


def test_copy_of_the_smallest_plugin_is_found(environment, wheels, build, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(PLUGINS / "tracepoint", copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "bpfman_tracepoint.py").rename(copy / "bpfman_copied.py")
    for path in (copy / "pyproject.toml", copy / "bpfman_copied.py"):
        text = path.read_text()
        for old in ("bpfman-{}", "bpfman_{}", '"{}"', "\n{} ="):
            text = text.replace(old.format("tracepoint"), old.format("copied"))
        path.write_text(text)
    environment.install(wheels["bpfman"], build(copy, "wheel", tmp_path / "wheel"))
    assert type_words(environment) == {"copied"}
