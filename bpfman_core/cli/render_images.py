"""What the commands about images print."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bpfman_core.cli.document import VERSION
from bpfman_core.cli.layout import block, column, table, timestamp
from bpfman_core.cli.render import as_json
from bpfman_core.image.build import NewImage
from bpfman_core.image.bytecode import functions_of, maps_of
from bpfman_core.image.cache import PULLED, VERDICT, Cache
from bpfman_core.image.layout import REFERENCE
from bpfman_core.image.manifest import Manifest
from bpfman_core.image.repository import Located

_SHORT = 19  # characters of a digest in a table: sha256: and twelve


def cached(cache: Cache, output: str, *, quiet: bool) -> None:
    """The images of the cache, one a line."""
    found = cache.images()
    if output == "json":
        rows = [
            {
                "version": VERSION,
                "image": one.annotations[REFERENCE],
                "digest": one.digest,
                "size": cache.size(one),
                "pulled_at": timestamp(float(one.annotations[PULLED])),
                "signature": one.annotations.get(VERDICT),
            }
            for one in found
        ]
        as_json(rows)
    elif quiet:
        for one in found:
            click.echo(one.annotations[REFERENCE])
    else:
        lines = [
            (
                *(one.annotations[REFERENCE], one.digest[:_SHORT], str(cache.size(one))),
                timestamp(float(one.annotations[PULLED])),
                one.annotations.get(VERDICT, "None"),
            )
            for one in found
        ]
        click.echo(table(("Image", "Digest", "Size", "Pulled At", "Signature"), lines))


def built(url: str, image: NewImage, digest: str, output: str) -> None:
    """An image that was made."""
    if output == "json":
        labels = {"programs": dict(image.programs), "maps": dict(image.maps)}
        about = {"version": VERSION, "image": url, "digest": digest}
        as_json({**about, "platforms": sorted(image.objects), **labels})
        return
    rows = [
        ("Image", url),
        ("Digest", digest),
        ("Platforms", ", ".join(f"linux/{name}" for name in sorted(image.objects))),
        ("Programs", column(f"{name}: {word}" for name, word in image.programs.items())),
        ("Maps", column(f"{name}: {word}" for name, word in image.maps.items())),
    ]
    click.echo(block("Image", rows))


def contents(
    url: str, found: Located, manifests: Sequence[tuple[str, Manifest]], output: str
) -> None:
    """What is in an image, for each platform."""
    if output == "json":
        platforms = [
            {
                "platform": platform,
                "labels": dict(manifest.labels),
                "programs": functions_of(manifest.labels),
                "maps": maps_of(manifest.labels),
                "layers": [layer.as_json() for layer in manifest.layers],
            }
            for platform, manifest in manifests
        ]
        value = {
            "version": VERSION,
            "image": url,
            "digest": found.top.digest,
            "source": found.source,
        }
        as_json({**value, "platforms": platforms})
        return
    rows = [("Image", url), ("Digest", found.top.digest), ("Source", found.source)]
    blocks = [block("Image", rows)]
    for platform, manifest in manifests:
        programs, maps = functions_of(manifest.labels), maps_of(manifest.labels)
        layers = [f"{layer.digest} ({layer.size} bytes)" for layer in manifest.layers]
        rows = [
            ("Programs", column(f"{name}: {word}" for name, word in programs.items())),
            ("Maps", column(f"{name}: {word}" for name, word in maps.items())),
            ("Layers", column(layers)),
        ]
        blocks.append(block(platform, rows))
    click.echo("\n\n".join(blocks))
