"""Prints what there is, as text or as JSON. Nothing else prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from bpfman_core.cli.layout import block, column, table, timestamp
from bpfman_core.errors import InvalidRequest
from bpfman_core.model import (
    ChainView,
    FileOrigin,
    KernelProgram,
    LinkView,
    PluginInfo,
    ProgramSpec,
    ProgramView,
)

Rows = Sequence[tuple[str, str]]

FORMS = ("text", "json")

output_option = click.option(
    *("-o", "--output"),
    type=click.Choice(FORMS),
    default="text",
    help="Form of the output.",
)


def pairs(words: Iterable[str]) -> dict[str, str]:
    """KEY=VALUE words as a mapping."""
    found = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not key or not sign:
            raise InvalidRequest(f"{word!r} is no KEY=VALUE")
        found[key] = value
    return found


def program(view: ProgramView, output: str) -> None:
    """All of one program."""
    if output == "json":
        from bpfman_core.cli import document

        as_json(document.program(view))
    else:
        click.echo(_program(view))


def programs(views: Sequence[ProgramView], output: str) -> None:
    """All of several programs."""
    if output == "json":
        from bpfman_core.cli import document

        as_json([document.program(view) for view in views])
    else:
        click.echo("\n\n".join(_program(view) for view in views))


def link(view: LinkView, output: str) -> None:
    """All of one link."""
    if output == "json":
        from bpfman_core.cli import document

        as_json(document.link(view))
        return
    rows = [
        ("Link ID", str(view.id)),
        ("Program ID", str(view.program_id)),
        ("Type", view.type),
        ("Attached", _attached(view)),
        ("Metadata", column(f"{key}={value}" for key, value in sorted(view.metadata.items()))),
        *view.rows,
    ]
    click.echo(block("Link", rows))


def program_table(views: Sequence[ProgramView], output: str, *, quiet: bool) -> None:
    """Programs, one a line."""
    if output == "json":
        from bpfman_core.cli import document

        as_json([document.program(view) for view in views])
    elif quiet:
        _ids(view.kernel.id for view in views)
    else:
        rows = [(str(v.kernel.id), _name(v), v.type, timestamp(v.kernel.loaded_at)) for v in views]
        click.echo(table(("Program ID", "Name", "Type", "Load Time"), rows))


def link_table(views: Sequence[LinkView], output: str, *, quiet: bool) -> None:
    """Links, one a line."""
    if output == "json":
        from bpfman_core.cli import document

        as_json([document.link(view) for view in views])
    elif quiet:
        _ids(view.id for view in views)
    else:
        rows = [
            (
                *(str(view.id), str(view.program_id), view.type),
                "None" if view.position is None else str(view.position),
                _attached(view),
            )
            for view in views
        ]
        click.echo(table(("Link ID", "Program ID", "Type", "Position", "Attached"), rows))


def chains(views: Sequence[ChainView], output: str) -> None:
    """Hooks, each with a table of its members."""
    if output == "json":
        from dataclasses import asdict

        as_json([asdict(view) for view in views])
        return
    click.echo("\n\n".join(_chain(view) for view in views), nl=bool(views))


def plugin_table(found: Sequence[PluginInfo], output: str) -> None:
    """Plugins, one a line."""
    if output == "json":
        from dataclasses import asdict

        as_json([asdict(info) for info in found])
        return
    rows = [
        (
            *(info.name, info.distribution, info.version, info.status),
            ", ".join(info.types) or "None",
            info.reason or "None",
        )
        for info in found
    ]
    click.echo(table(("Name", "Distribution", "Version", "Status", "Types", "Reason"), rows))


def _chain(view: ChainView) -> str:
    words = [view.type, view.iface, view.direction, view.mode and f"{view.mode} mode"]
    words.append(view.netns and f"in {view.netns}")
    rows = [
        (
            *(str(position), str(member.program_id), member.name or "None"),
            *(str(member.link_id), str(member.priority)),
            ", ".join(member.proceed_on) or "None",
        )
        for position, member in enumerate(view.members)
    ]
    headings = ("Position", "Program ID", "Name", "Link ID", "Priority", "Proceed On")
    return f" {' '.join(word for word in words if word)}\n{table(headings, rows)}"


def _program(view: ProgramView) -> str:
    ours = block("Bpfman State", _ours(view.spec, view) if view.spec else [])
    return f"{ours}\n\n{block('Kernel State', _kernel(view.kernel, view.type))}"


def _ours(spec: ProgramSpec, view: ProgramView) -> Rows:
    rows = [("Name", spec.name)]
    if isinstance(spec.origin, FileOrigin):
        rows += [("Path", spec.origin.path)]
    else:
        rows += [("Image URL", spec.origin.url), ("Pull Policy", spec.origin.pull_policy.value)]
    rows += [
        ("Global", column(f"{name}={value.hex()}" for name, value in spec.globals.items())),
        ("Metadata", column(f"{key}={value}" for key, value in sorted(spec.metadata.items()))),
        ("Map Pin Path", str(view.map_pin_path)),
        ("Map Owner ID", str(spec.map_owner_id)),
        ("Map Used By", column(view.map_used_by)),
    ]
    if spec.application is not None:
        rows.append(("Application", spec.application))
    if len(view.links) != 1:
        return [*rows, ("Links", ", ".join(str(number) for number in view.link_ids) or "None")]
    only = view.links[0]
    attached = [] if only.attached else [("Attached", _attached(only))]
    return [*rows, *only.rows, *attached, ("Link ID", str(only.id))]


def _kernel(kernel: KernelProgram, word: str) -> Rows:
    return [
        ("Program ID", str(kernel.id)),
        ("Name", kernel.name or "None"),
        ("Type", word),
        ("Loaded At", timestamp(kernel.loaded_at)),
        ("Tag", kernel.tag),
        ("GPL Compatible", _truth(kernel.gpl_compatible)),
        ("Map IDs", str(list(kernel.map_ids))),
        ("BTF ID", str(kernel.btf_id)),
        ("Size Translated (bytes)", str(kernel.bytes_translated)),
        ("JITed", _truth(kernel.jited)),
        ("Size JITed (bytes)", str(kernel.bytes_jited)),
        ("Kernel Allocated Memory (bytes)", str(kernel.bytes_memlock)),
        ("Verified Instruction Count", str(kernel.verified_instructions)),
    ]


def _ids(found: Iterable[int]) -> None:
    for number in found:
        click.echo(number)


def as_json(found: object) -> None:
    """Print something as JSON."""
    import json

    click.echo(json.dumps(found, indent=2))


def _name(view: ProgramView) -> str:
    return view.spec.name if view.spec else view.kernel.name


def _attached(view: LinkView) -> str:
    return "true" if view.attached else f"false: {view.detail}"


def _truth(value: bool) -> str:
    return "true" if value else "false"
