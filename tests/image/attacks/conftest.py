"""A hostile registry, and a pull from it that must fail well."""

import re
import tempfile

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.layout import REFERENCE
from bpfman_core.image.manifest import resolve
from bpfman_core.image.reference import Reference
from bpfman_core.image.source import find
from bpfman_core.model import PullPolicy
from tests.image.attacks.limits import LONGEST, error_of, soon, sparingly
from tests.image.hostile import (
    NAME,
    hostile_registry,
)


@pytest.fixture
def hostile(good):
    with hostile_registry() as found:
        found.hold(good)
        yield found


@pytest.fixture
def other(good):
    """Another host, as its name says: `localhost`."""
    with hostile_registry() as found:
        found.hold(good)
        found.host = found.host.replace("127.0.0.1", "localhost")
        yield found


@pytest.fixture
def pull(hostile, configured, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "here"))
    monkeypatch.setattr("bpfman_core.image.remote.exchange._BACKOFF", 0.02)

    def made(config="", name="", **source):
        settings = configured(f'[registries."{hostile.host}"]\ntimeout = 0.3\n{config}')
        url = f"{hostile.host}/{NAME}{name or ':1'}"
        return find(ImageSource(url, PullPolicy.ALWAYS, **source), settings)

    return made


@pytest.fixture
def fails(hostile, good, pull, cache, tmp_path, caplog, nobody_at_home):
    """Pulls what is of no use; the error must be good, and all be well afterwards."""

    def whole():
        for top in cache.images():
            repository = cache.repository(Reference.parse(top.annotations[REFERENCE]))
            for one in resolve(top, repository.read).layers:
                repository.read(one, one.size)

    def made(error, text, within=15.0, **how):
        with soon(within), sparingly(hostile):
            kind, said = error_of(lambda: pull(**how), caplog)
        assert issubclass(kind, error), (kind, said)
        assert re.search(text, said), said
        assert said.isprintable(), said
        assert len(said) < LONGEST
        assert {one.name for one in tmp_path.iterdir()} <= {"bpfman.toml", "cache", "here"}
        assert list((tmp_path / "here").iterdir()) == []
        assert list(nobody_at_home.iterdir()) == []
        whole()
        hostile.hold(good)
        hostile.challenge = ""
        assert pull().digest == good.top.digest
        whole()
        assert len(cache.images()) == 1

    return made
