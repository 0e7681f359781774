"""The project's distributions, built once, and bare environments to install them into."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
OURS = ("bpfman", "_editable_impl_bpfman")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    # Variables of the outer environment would choose plugins or a place to import from.
    kept = {name: text for name, text in os.environ.items() if not name.startswith("BPFMAN_")}
    kept.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build_project(project: Path, kind: str, into: Path) -> Path:
    """Build the `wheel` or `sdist` of a project."""
    into.mkdir(parents=True)
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into, cwd=project)
    (built,) = into.iterdir()
    return built


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has all requirements of bpfman, but nothing of bpfman."""

    directory: Path

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    def pip(self, *arguments: str | Path) -> None:
        run(sys.executable, "-m", "pip", "--python", self.python, *arguments)

    def install(self, *wheels: Path) -> None:
        self.pip("install", "-qq", "--no-index", "--no-deps", *wheels)

    def uninstall(self, distribution: str) -> None:
        self.pip("uninstall", "-qq", "--yes", distribution)

    def bpfman(self, *arguments: str) -> str:
        return run(self.directory / "bin" / "bpfman", *arguments, cwd=self.directory)


@pytest.fixture(scope="session")
def build():
    return build_project


@pytest.fixture(scope="session")
def wheels(build, tmp_path_factory) -> dict[str, Path]:
    """The wheel of each distribution, by the name of its directory."""
    home = tmp_path_factory.mktemp("wheels")
    return {
        name: build(project, "wheel", home / name)
        for name, project in [("bpfman", ROOT), *((path.name, path) for path in PLUGINS)]
    }


@pytest.fixture
def environment(tmp_path) -> Environment:
    made = Environment(tmp_path / "environment")
    run(sys.executable, "-m", "venv", "--without-pip", made.directory)
    lent = tmp_path / "requirements"
    lent.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OURS):
            (lent / entry.name).symlink_to(entry)
    (site,) = made.directory.glob("lib/python3*/site-packages")
    (site / "requirements.pth").write_text(f"{lent}\n")
    return made
