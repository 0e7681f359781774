"""The configuration file: what is read, what is refused, and with which words."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from bpfman_core.config import Config, ServiceConfig, load_config
from bpfman_core.errors import InvalidRequest


@pytest.fixture
def read(tmp_path):
    def write_and_read(text):
        path = tmp_path / "bpfman.toml"
        path.write_text(text)
        return load_config(path)

    return write_and_read


def test_without_a_file_everything_is_default(tmp_path):
    assert load_config(tmp_path / "none") == Config()
    assert Config().lock_timeout == 60
    assert Config().seeds is None


def test_without_a_file_no_parser_is_imported():
    code = (
        "import sys; from pathlib import Path; from bpfman_core.config import load_config\n"
        "load_config(Path('/nonexistent')); assert 'tomli' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_everything(read):
    config = read(
        """
        [service]
        timeout = 30
        on_stop = "keep"
        [images]
        seeds = ["/a", "/b"]
        [interfaces.eth0]
        xdp_mode = "drv"
        [plugins]
        load = ["xdp"]
        disable = ["tc"]
        [database]
        lock_timeout = 2.5
        [signing]
        allow_unsigned = false
        [registries]
        mirror = "m"
        """
    )
    assert config == Config(
        service=ServiceConfig(timeout=30, on_stop="keep"),
        seeds=(Path("/a"), Path("/b")),
        load_plugins=("xdp",),
        disable_plugins=("tc",),
        lock_timeout=2.5,
        interfaces={"eth0": {"xdp_mode": "drv"}},
        signing={"allow_unsigned": False},
        registries={"mirror": "m"},
    )


def test_no_seeds_is_not_the_default_seeds(read):
    assert read("[images]\nseeds = []").seeds == ()


def test_the_lock_timeout_of_older_files(read):
    assert read("[database]\nmax_retries = 30\nmillisec_delay = 500").lock_timeout == 15


def test_unknown_keys_are_named(read, caplog):
    with caplog.at_level(logging.WARNING):
        config = read("colour = 1\n[service]\ntimout = 1\n[interfaces.eth0]\nanything = 1")
    assert config.unknown == ("colour", "service.timout")
    assert "colour, service.timout" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[service\n", "line 1"),
        ("\n\nx = \n", "line 3"),
        ("service = 1", "service is a table"),
        ("[service]\ntimeout = 'soon'", "service.timeout is a number from 0 up, not 'soon'"),
        ("[service]\ntimeout = -1", "number from 0 up"),
        ("[service]\ntimeout = true", "number from 0 up"),
        ("[service]\non_stop = 'explode'", "service.on_stop is unload or keep, not 'explode'"),
        ("[images]\nseeds = '/a'", "images.seeds is a list of texts"),
        ("[plugins]\nload = [1]", "plugins.load is a list of texts"),
        ("[interfaces]\neth0 = 1", r"interfaces.eth0 is a table: \[interfaces.eth0\]"),
    ],
)
def test_a_file_without_sense_is_refused(read, tmp_path, text, words):
    with pytest.raises(InvalidRequest, match=words) as caught:
        read(text)
    assert str(tmp_path / "bpfman.toml") in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "bpfman.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match=r"bpfman\.toml"):
        load_config(path)
