"""Who may import whom: the arrows of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "bpfman_core"

LAYERS = {
    "text": set(),
    "errors": {"text"},
    "options": {"errors"},
    "model": {"options", "kernel"},  # the kernel for the type of a descriptor only
    "api": {"model"},
    "paths": set(),
    "plan": set(),
    "progress": set(),
    "lock": {"errors"},
    "config": {"errors", "model"},
    "log": {"text"},
    "elf": {"errors"},
    "globals": {"elf", "errors"},
    "records": {"model"},
    "store": {"errors", "model", "records"},
    "kernel": {"errors", "globals", "model"},
    "dispatch": {"errors", "kernel", "model"},
    "hookspecs": {"model"},
    "bound": {"errors", "model"},
    "registry": {"bound", "errors", "hookspecs", "model"},
    "image": {"api", "config", "elf", "errors", "lock", "model", "progress"},
    "bytecode": {"api", "errors", "image", "model"},
    "contents": {"bytecode", "elf", "errors", "image", "kernel"},
    "plugin": {"dispatch", "errors", "hookspecs", "kernel", "model", "options"},
    "manager": {
        *("api", "bound", "bytecode", "config", "elf", "errors", "globals", "kernel", "model"),
        *("paths", "plan", "registry", "store"),
    },
    "handler": {
        *("api", "bytecode", "config", "errors", "image", "lock", "manager", "model", "paths"),
        *("progress", "registry", "store"),
    },
    "rpc": {"__init__", "api", "errors", "image", "model", "progress"},
    "service": {"api", "errors", "rpc"},
    "cli": {
        *("__init__", "api", "bound", "bytecode", "config", "contents", "errors", "globals"),
        "handler",
        *("image", "log", "model", "options", "paths", "progress", "registry", "rpc", "service"),
        "text",
    },
}
"""What each part of the core may use, besides itself."""


def modules(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports, as far as `bpfman_core.part`."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "bpfman_core":
            names = [f"bpfman_core.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from (name for name in names if name.startswith("bpfman"))


def part_of(module: str) -> str:
    name = module.split(".")[1] if "." in module else "__init__"
    known = (CORE / name).is_dir() or (CORE / f"{name}.py").exists()
    return name if known else "__init__"


def files() -> list[Path]:
    return [
        path
        for path in sorted(CORE.rglob("*.py"))
        if path.relative_to(CORE).parts[0] not in ("testing", "__init__.py")
    ]


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(CORE)))
def test_a_part_uses_only_those_below_it(path: Path) -> None:
    part = path.relative_to(CORE).parts[0].removesuffix(".py")
    used = {part_of(module) for module in modules(path)} - {part}
    assert used <= LAYERS[part]


def test_shipped_plugins_import_the_public_module_only() -> None:
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if "tests" not in path.parts:
            own = path.parent.name if (path.parent / "__init__.py").exists() else path.stem
            others = {module for module in modules(path) if module.split(".")[0] != own}
            assert others == {"bpfman_core.plugin"} or not others, path


def test_only_the_wire_names_program_types() -> None:
    words = {"xdp", "tc", "tcx", "tracepoint", "kprobe", "kretprobe", "uprobe", "uretprobe"}
    words |= {"fentry", "fexit", "lsm"}
    # the wire's names, and the name of a module; `kernel` has a module per hook of the kernel
    allowed = {CORE / "rpc/types.py", CORE / "plugin.py", *(CORE / "kernel").iterdir()}
    for path in set(files()) - allowed:
        nodes = ast.walk(ast.parse(path.read_text()))
        literals = {node.value for node in nodes if isinstance(node, ast.Constant)}
        assert not words & literals, path
