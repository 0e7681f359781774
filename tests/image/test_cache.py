"""The cache stays whole, whoever dies and however many use it at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.errors import BpfmanError, Denied, InvalidObject, NotFound, Untrusted
from bpfman_core.image.build import Built
from bpfman_core.image.cache import Cache
from bpfman_core.image.descriptor import INDEX, Descriptor
from bpfman_core.image.layout import REFERENCE
from bpfman_core.image.reference import Reference
from bpfman_core.image.source import find
from bpfman_core.lock import writer_lock
from bpfman_core.model import PullPolicy
from bpfman_core.testing.killing import survives
from bpfman_core.testing.waiting import wait_until
from tests.cli.conftest import BPFMAN
from tests.image.registries import serving

ONE, TWO = (Reference.parse(f"quay.io/tests/{name}:1") for name in ("one", "two"))


def put(cache: Cache, reference: Reference, image: Built) -> None:
    cache.put(reference, image.top, image.blobs)


def check_whole(cache: Cache) -> list[str]:
    """Every image that is listed can be read to its last blob; gives their names."""
    names = []
    for entry in cache.images():
        name = entry.annotations["org.opencontainers.image.ref.name"]
        cache.note(entry, {"io.bpfman.signing.verdict": "built here"})
        settings = _settings(cache)
        find(ImageSource(name, PullPolicy.NEVER), settings)
        names.append(name)
    return names


def _settings(cache: Cache):
    from bpfman_core.image.settings import ImageSettings

    return ImageSettings(cache.directory, offline=True, seeds=())


def test_killed_at_every_step_of_every_change(cache, built):
    first, second = built(), built("xdp_drop", "drop")
    changes = {
        "add": lambda: put(cache, TWO, second),
        "replace": lambda: put(cache, ONE, second),
        "remove": lambda: cache.remove(ONE),
        "prune": cache.prune,
        "prune all": lambda: cache.prune(everything=True),
    }
    for name, change in changes.items():
        for steps in range(40):
            cache.prune(everything=True)
            put(cache, ONE, second)
            put(cache, ONE, first)
            survived = survives(change, steps=steps)
            names = check_whole(cache)
            assert names in ([], [str(ONE)], [str(ONE), str(TWO)]), name
            put(cache, TWO, second)  # the next writer tidies up
            assert not (cache.directory / "incoming").exists()
            if survived:
                assert steps > 1, name
                break
        else:
            raise AssertionError(f"{name} has no end")


def test_many_processes_at_once(cache, built):
    first, second = built(), built("xdp_drop", "drop")
    children = []
    for number in range(6):
        child = os.fork()
        if child == 0:
            try:
                for turn in range(15):
                    name = Reference.parse(f"quay.io/tests/n{number}:{turn}")
                    put(cache, name, first if turn % 2 else second)
                    if turn % 5 == 4:
                        cache.remove(name)
                    cache.prune()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert len(check_whole(cache)) == 6 * 12


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", bytes(100)])
def test_a_damaged_index_is_made_anew(cache, built, damage):
    put(cache, ONE, built())
    cache.index_path.write_bytes(damage)
    with pytest.raises(InvalidObject):
        cache.find(ONE)
    put(cache, TWO, built())
    assert check_whole(cache) == [str(TWO)]


def test_a_damaged_blob_is_pulled_again(registries, pushed, configured, cache, caplog):
    registry = registries("open")
    pushed(registry, "team/damaged:1")
    source, settings = ImageSource(registry.reference("team/damaged:1")), configured()
    good = find(source, settings).data
    for blob in list(cache.blobs.iterdir()):
        content = blob.read_bytes()
        blob.write_bytes(content[:-1] + b"x")
        found = find(source, settings)
        assert (found.data, found.source) == (good, f"registry:{registry.host}")
        assert "cannot be used: the image is damaged" in caplog.text
        assert blob.read_bytes() == content
    cache.index_path.write_bytes(b"{")
    with pytest.raises(NotFound):
        find(replace(source, pull_policy=PullPolicy.NEVER), settings)


def test_what_is_gone(cache, built):
    put(cache, ONE, built())
    with pytest.raises(NotFound, match=r"no image quay\.io/tests/two:1 in the cache"):
        cache.remove(TWO)
    cache.remove(ONE)
    assert list(cache.blobs.iterdir()) == []


def test_a_blob_that_two_images_share_stays(cache, built):
    put(cache, ONE, built())
    put(cache, TWO, built())
    cache.remove(ONE)
    assert check_whole(cache) == [str(TWO)]


def test_what_is_about_an_image_goes_with_it(cache, built):
    image = built()
    about = image.top.digest.replace(":", "-")
    note = Descriptor.of(INDEX, b'{"manifests":[]}')
    blobs = {**image.blobs, note.digest: b'{"manifests":[]}'}
    cache.put(ONE, image.top, blobs, beside={f"{about}.sig": note})
    assert len(cache.entries()) == 2
    assert [entry.digest for entry in cache.images()] == [image.top.digest]
    cache.remove(ONE)
    assert cache.entries() == ()
    assert list(cache.blobs.iterdir()) == []


def about(image: Built) -> tuple[str, bytes]:
    """A tag for something about an image, and a document for it."""
    return f"{image.top.digest.replace(':', '-')}.sig", b'{"manifests":[]}'


def put_with_note(cache: Cache, reference: Reference, image: Built) -> None:
    tag, data = about(image)
    note = Descriptor.of(INDEX, data)
    cache.put(reference, image.top, {**image.blobs, note.digest: data}, beside={tag: note})


def test_what_is_about_a_replaced_image_is_pruned(cache, built):
    first, second = built(), built("xdp_drop", "drop")
    put_with_note(cache, ONE, first)
    put_with_note(cache, ONE, second)
    assert len(cache.entries()) == 3
    assert cache.prune() > 0
    names = {entry.annotations[REFERENCE] for entry in cache.entries()}
    assert names == {str(ONE), f"{ONE.name}:{about(second)[0]}"}
    assert check_whole(cache) == [str(ONE)]
    assert cache.prune() == 0


def test_what_is_about_an_image_stays_with_its_other_names(cache, built):
    other = Reference.parse(f"{ONE.name}:other")
    put_with_note(cache, ONE, built())
    put_with_note(cache, other, built())
    cache.remove(ONE)
    assert len(cache.entries()) == 2
    cache.remove(other)
    assert cache.entries() == ()


def test_a_verdict_is_noted_on_the_image_that_was_judged(cache, built):
    """Between judging and noting another process may have pulled what the tag stands for now."""
    put(cache, ONE, built())
    judged = cache.find(ONE)
    put(cache, ONE, built("xdp_drop", "drop"))
    cache.note(judged, {"verdict": "good"})
    assert "verdict" not in cache.find(ONE).annotations
    cache.note(cache.find(ONE), {"verdict": "good"})
    assert cache.find(ONE).annotations["verdict"] == "good"


def test_what_cannot_be_read_for_a_moment_is_not_lost(cache, built, monkeypatch):
    put(cache, ONE, built())

    def fails(*_: object) -> None:
        raise BpfmanError("Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr("bpfman_core.image.layout._bytes_of", fails)
        for change in (lambda: put(cache, TWO, built()), cache.prune):
            with pytest.raises(BpfmanError, match="Too many open files"):
                change()
    put(cache, TWO, built())
    assert check_whole(cache) == [str(ONE), str(TWO)]


def test_an_index_that_is_no_file(cache, built):
    put(cache, ONE, built())
    cache.index_path.unlink()
    cache.index_path.mkdir()
    with pytest.raises(InvalidObject, match="Is a directory"):
        cache.find(ONE)
    with pytest.raises(BpfmanError, match=r"the image cache .*: Is a directory"):
        put(cache, TWO, built())


def test_readers_while_it_is_pruned(cache, built):
    """They find an image whole, or not at all, and no error of the file system's."""
    image = built()
    child = os.fork()
    if child == 0:
        try:
            for _ in range(150):
                put(cache, ONE, image)
                cache.prune(everything=True)
            os._exit(0)
        finally:
            os._exit(1)
    source = ImageSource(str(ONE), PullPolicy.NEVER)
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        assert all(cache.size(one) >= 0 for one in cache.images())
        with suppress(NotFound, Untrusted):
            find(source, _settings(cache))
    assert cache.images() == ()


def test_rows_of_others_are_kept_as_they_are(cache, built):
    put(cache, ONE, built())
    index = json.loads(cache.index_path.read_bytes())
    row = {
        **index["manifests"][0],
        "annotations": {"org.example": "x"},
        "artifactType": "application/x",
        "platform": {"os": "linux", "architecture": "arm", "variant": "v7"},
    }
    index["manifests"].append(row)
    cache.index_path.write_text(json.dumps(index))
    put(cache, TWO, built("xdp_drop", "drop"))
    assert row in json.loads(cache.index_path.read_bytes())["manifests"]


def test_nobody_else_can_read_it(cache, built):
    put(cache, ONE, built())
    assert cache.directory.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_cannot_be_written(registries, pushed, configured, tmp_path, caplog):
    """An image is used all the same, and only one that was to be kept is an error."""
    registry = registries("open")
    pushed(registry, "team/unkept:1")
    (tmp_path / "cache").write_text("in the way")
    source, settings = ImageSource(registry.reference("team/unkept:1")), configured()
    assert find(source, settings).function == "pass"
    assert "is not kept: the image cache" in caplog.text
    with pytest.raises(BpfmanError, match=r"the image cache .*cache: "):
        find(source, settings, must_keep=True)


def test_not_by_anybody(cache, built):
    image = built()  # here, as nobody may read the compiler's input or our modules
    assert writer_lock
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)
            put(cache, ONE, image)
        except Denied as error:
            os._exit(0 if "run this as root" in str(error) else 2)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Slow(BaseHTTPRequestHandler):
    """A registry that begins an answer and never ends it."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{")
        self.wfile.flush()
        self.asked.append(self.path)
        time.sleep(2)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ended_in_the_middle_of_a_download(bpfman_paths, how):
    bpfman_paths.config.write_text("")
    Slow.asked.clear()
    with serving(Slow) as host:
        heeding = ("env", "--default-signal=INT")
        command = [*heeding, BPFMAN, "image", "pull", f"{host}/team/slow:1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            wait_until(lambda: Slow.asked, "the download has begun", timeout=20)
            process.send_signal(how)
            status = process.wait(20)
            said = process.stderr.read()
    assert status == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert said.strip() == (b"bpfman: interrupted" if how == signal.SIGINT else b"")
    assert Cache(bpfman_paths.images).images() == ()


def test_what_is_cached_or_seeded_needs_no_http_client(cache, built):
    """Nor cryptography; imports are most of what such a pull would cost."""
    put(cache, ONE, built())
    check_whole(cache)
    code = (
        "import sys; from pathlib import Path\n"
        "from bpfman_core.api import ImageSource; from bpfman_core.image.settings import *\n"
        "from bpfman_core.image.source import find\n"
        f"settings = ImageSettings(Path({str(cache.directory)!r}))\n"
        f"assert find(ImageSource({str(ONE)!r}), settings).source.startswith('cache:')\n"
        "url = 'unreachable.invalid/x:1'\n"
        "seed = 'quay.io/bpfman-bytecode/xdp_pass:latest'\n"
        "offline = ImageSettings(Path('/nonexistent'), offline=True)\n"
        "assert find(ImageSource(seed), offline).source.startswith('seed:')\n"
        "try: find(ImageSource(url), settings)\n"
        "except Exception as error: assert 'unknown host' in str(error), error\n"
        "heavy = {'oras', 'requests', 'urllib3', 'ssl', 'cryptography', 'http.client'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr.count("Traceback")) == ("[]\n", 0), done
