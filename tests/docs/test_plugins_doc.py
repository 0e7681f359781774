"""docs/plugins.md shows the hooks as they are."""

import inspect
import re
from pathlib import Path

from bpfman_core import hookspecs

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/plugins.md").read_text()
UNESCAPED = TEXT.replace("\\|", "|")
TRACEPOINT = (ROOT / "plugins/tracepoint/bpfman_tracepoint.py").read_text()


def hooks():
    return {
        name: value
        for name, value in vars(hookspecs).items()
        if name.startswith("bpfman_") and inspect.isfunction(value)
    }


def test_every_hook_is_there_with_its_signature() -> None:
    shown = dict(re.findall(r"^\| `(bpfman_\w+)(\(.*?)` \|", UNESCAPED, re.MULTILINE))
    assert shown == {
        name: str(inspect.signature(hook)).replace("'", "") for name, hook in hooks().items()
    }


def test_the_required_ones_are_marked() -> None:
    needed = re.findall(r"^\| `(bpfman_\w+).*` \| yes \|", TEXT, re.MULTILINE)
    assert tuple(needed) == hookspecs.REQUIRED


def test_every_hook_has_a_section_and_a_version() -> None:
    for name, hook in hooks().items():
        assert f"\n### {name}\n" in TEXT
        assert "Since 0." in (hook.__doc__ or "")


def test_the_example_is_the_smallest_plugin() -> None:
    example = TEXT.split("```python\n")[1].split("```")[0]

    def functions(text: str) -> list[str]:
        return re.findall(r"^@hookimpl\ndef (.*):$", text, re.MULTILINE)

    assert functions(example) == functions(TRACEPOINT)
    assert len(TRACEPOINT.splitlines()) < 60
