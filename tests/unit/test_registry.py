"""Good plugins are used; bad ones are listed with the reason, and disturb nobody."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bpfman_core.errors import InvalidRequest, PluginError
from bpfman_core.model import Host, Link, LinkStatus, Program, ProgramType
from bpfman_core.options import Options
from bpfman_core.plugin import LoadOptions, hookimpl
from bpfman_core.registry import Candidate, Registry, Selection


class NoOptions(Options):
    """None."""


def kind(word: str, **more) -> ProgramType:
    return ProgramType(word, f"The type {word}", 6, (word,), NoOptions, **more)


def plugin(*types: ProgramType, without: str = "", **hooks) -> SimpleNamespace:
    """A module with the required hooks, some replaced or left out."""

    @hookimpl
    def bpfman_program_types():
        return list(types)

    @hookimpl
    def bpfman_validate():
        pass

    @hookimpl
    def bpfman_attach():
        return None

    @hookimpl
    def bpfman_detach():
        pass

    @hookimpl
    def bpfman_render():
        return {}

    found = {name: value for name, value in locals().items() if name.startswith("bpfman_")}
    found |= hooks
    found.pop(without, None)
    return SimpleNamespace(**found)


def candidate(name: str, module: object) -> Candidate:
    def load() -> object:
        if isinstance(module, BaseException):
            raise module
        return module

    return Candidate(name, f"dist-{name}", "1.0", load)


def registry_of(**modules: object) -> Registry:
    registry = Registry()
    for name, module in modules.items():
        registry.add(candidate(name, module))
    return registry


def link() -> Link:
    return Link(1, Program(1, "p", "good", LoadOptions(), lambda: None), NoOptions())


def test_a_good_plugin_is_used() -> None:
    registry = registry_of(good=plugin(kind("good"), kind("better")))
    assert set(registry.types) == {"good", "better"}
    (info,) = registry.plugins
    assert (info.status, info.types, info.distribution) == (
        "active",
        ("good", "better"),
        "dist-good",
    )


BAD = {
    "raises on import": (ImportError("no module named none"), "ImportError: no module"),
    "exits on import": (SystemExit(3), "SystemExit: 3"),
    "lacks a hook": (plugin(kind("bad"), without="bpfman_attach"), "implements no bpfman_attach"),
    "gives no types": (
        plugin(bpfman_program_types=hookimpl(lambda: ["bad"])),
        "is no ProgramType",
    ),
    "raises when asked": (
        plugin(bpfman_program_types=hookimpl(lambda: 1 / 0)),
        "ZeroDivisionError",
    ),
    "speaks another version": (plugin(kind("bad", api_version=99)), "version 99"),
    "takes a word": (plugin(kind("good")), "'good'"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_plugin_is_listed_and_disturbs_nobody(fault: str) -> None:
    module, reason = BAD[fault]
    registry = registry_of(good=plugin(kind("good")), bad=module)
    assert set(registry.types) == {"good"}
    assert registry.types["good"].distribution == "dist-good"
    assert registry.plugins[1].status == "broken"
    assert reason in registry.plugins[1].reason


def test_a_misspelt_hook_is_found() -> None:
    module = plugin(kind("bad"), bpfman_atach=hookimpl(lambda link: None))
    registry = registry_of(bad=module)
    assert registry.plugins[0].status == "broken"
    assert "bpfman_atach" in registry.plugins[0].reason


def test_a_broken_type_says_why_it_cannot_be_used() -> None:
    registry = registry_of(bad=ImportError("no libfoo"))
    with pytest.raises(PluginError, match="dist-bad is broken: ImportError: no libfoo"):
        registry.type("bad")


def test_an_unknown_word_names_the_installed_ones() -> None:
    registry = registry_of(good=plugin(kind("good")))
    with pytest.raises(InvalidRequest) as caught:
        registry.type("god")
    assert "installed: good" in str(caught.value)
    assert "did you mean good" in str(caught.value)


def test_what_a_hook_raises_is_a_fault_of_its_plugin() -> None:
    def fails(link):
        raise KeyError("oops")

    registry = registry_of(good=plugin(kind("good"), bpfman_validate=hookimpl(fails)))
    with pytest.raises(PluginError, match=r"dist-good: bpfman_validate failed: KeyError: 'oops'"):
        registry.type("good").validate(link(), Host(None))


def test_what_a_hook_gives_is_checked() -> None:
    registry = registry_of(good=plugin(kind("good"), bpfman_render=hookimpl(lambda: ["row"])))
    bound = registry.type("good")
    with pytest.raises(PluginError, match="bpfman_attach returned NoneType, not Attached"):
        bound.attach(link(), Host(None))
    with pytest.raises(PluginError, match="bpfman_render returned list, not dict"):
        bound.render(link(), LinkStatus(attached=True))


def test_selection(monkeypatch) -> None:
    one, two = candidate("one", None), candidate("two", None)
    assert Selection.of().allows(one)
    assert not Selection.of(disabled=["one"]).allows(one)
    assert not Selection.of(disabled=["dist-one"]).allows(one)
    assert Selection.of(only=["one"]).allows(one)
    assert not Selection.of(only=["one"]).allows(two)
    monkeypatch.setenv("BPFMAN_DISABLE_PLUGINS", "two")
    assert not Selection.of().allows(two)
    monkeypatch.setenv("BPFMAN_LOAD_PLUGINS", "two,three")
    assert not Selection.of().allows(one)
