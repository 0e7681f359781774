"""The pytest plugin: fixtures, the marker `kernel`, and skips that cannot swallow a fault.

A test marked `kernel` needs root, and fails if it leaves anything behind. A test is skipped only
where something raised `Unsupported`, and not even then for a feature that BPFMAN_TEST_MUST_RUN
names.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bpfman_core.paths import Paths
    from bpfman_core.testing.network import Namespace, Veth
    from bpfman_core.testing.residue import Residue

_residue: pytest.StashKey[Residue] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "kernel: works on the real kernel; needs root")


@pytest.fixture
def bpfman_paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """Paths below a fresh runtime directory with its own bpffs; the environment points there."""
    from bpfman_core.testing.runtime import environment, private_runtime

    with private_runtime() as paths:
        for name, value in environment(paths).items():
            monkeypatch.setenv(name, value)
        yield paths


@pytest.fixture
def runtime_dir(bpfman_paths: Paths) -> Path:
    """The runtime directory of `bpfman_paths`."""
    return bpfman_paths.runtime


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """A fresh network namespace."""
    from bpfman_core.testing.features import requires
    from bpfman_core.testing.network import namespace

    requires("ip")
    with namespace() as made:
        yield made


@pytest.fixture
def veth(netns: Namespace) -> Iterator[Veth]:
    """A veth pair between `netns` (its near end) and a namespace of its own."""
    from bpfman_core.testing.network import namespace, veth_pair

    with namespace() as far, veth_pair(netns, far) as pair:
        yield pair


@pytest.fixture(autouse=True)
def _leaves_no_residue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up before, and so torn down after, all other fixtures of a test."""
    if request.node.get_closest_marker("kernel") is None:
        yield
        return
    from bpfman_core.testing.residue import Residue

    residue = request.node.stash[_residue] = Residue()
    yield
    if _residue in request.node.stash:
        residue.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Skip where a fixture finds something unsupported."""
    with _Skips():
        if item.get_closest_marker("kernel"):
            from bpfman_core.testing.features import requires

            requires("root")
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Skip where the test finds something unsupported; do not look for residue if it fails.

    The traceback of a failure holds the test's variables, and so its descriptors.
    """
    try:
        with _Skips():
            yield
    except BaseException:
        if _residue in item.stash:
            del item.stash[_residue]
        raise


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Note what the test used while its fixtures still hold it."""
    if _residue in item.stash:
        item.stash[_residue].note()


class _Skips:
    """Turns Unsupported into a skip, unless the run must not lack the feature."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from bpfman_core.errors import Unsupported
        from bpfman_core.testing.features import may_be_skipped

        if isinstance(error, Unsupported) and may_be_skipped(error.feature):
            pytest.skip(f"{error.feature}: {error}")
