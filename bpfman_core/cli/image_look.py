"""`bpfman image inspect` and `verify`."""

from __future__ import annotations

from pathlib import Path

import click

from bpfman_core.cli import render
from bpfman_core.cli.image_options import (
    absolute,
    credentials,
    pull_policy_option,
    registry_auth_option,
    settings,
)
from bpfman_core.cli.progress import shown
from bpfman_core.model import PullPolicy


@click.command()
@click.argument("url", callback=absolute)
@pull_policy_option
@registry_auth_option
@render.output_option
@click.pass_context
def inspect(
    context: click.Context, url: str, pull_policy: str, registry_auth: str | None, output: str
) -> None:
    """Show what is in an image: of the cache, a registry, or a layout (oci:DIR).

    For each platform its programs, its maps and the digests of its layers.
    """
    from bpfman_core.cli import render_images
    from bpfman_core.image.locate import locate, manifests

    policy = PullPolicy(pull_policy)
    with shown(f"Looking at {url}"):
        found = locate(url, settings(context), credentials(registry_auth), policy)
        platforms = list(manifests(found))
    render_images.contents(url, found, platforms, output)


@click.command()
@click.argument("url", callback=absolute)
@click.option(
    *("--key", "keys"),
    multiple=True,
    type=click.Path(path_type=Path),
    help="PEM file with a public key that may have signed it; can be repeated.",
)
@click.option("--certificate-identity", metavar="NAME", help="Who may have signed it.")
@click.option("--certificate-identity-regexp", metavar="REGEXP", help="The same, as a pattern.")
@click.option("--certificate-oidc-issuer", metavar="URL", help="Who vouches for the identity.")
@click.option("--certificate-oidc-issuer-regexp", metavar="REGEXP", help="The same, as a pattern.")
@click.option(
    "--trusted-root",
    type=click.Path(path_type=Path),
    help="A sigstore trusted_root.json, for signatures by certificates.",
)
@registry_auth_option
@click.pass_context
def verify(
    context: click.Context,
    /,
    url: str,
    keys: tuple[Path, ...],
    trusted_root: Path | None,
    registry_auth: str | None,
    **identity: str | None,
) -> None:
    """Check the signatures of an image where it is: in its registry, or a layout (oci:DIR).

    Without a key or an identity those of the configuration count. An image that is not signed by
    any of them is an error.
    """
    from dataclasses import replace

    from bpfman_core.image import locate
    from bpfman_core.image.tables import signing_policy

    configured = settings(context)
    policy = configured.signing
    if keys or any(identity.values()) or trusted_root is not None:
        policy = signing_policy(
            {
                "keys": [str(key) for key in keys],
                "trusted_root": None if trusted_root is None else str(trusted_root),
                "trusted_identities": [identity] if any(identity.values()) else [],
            }
        )
    if not policy.judges:
        raise click.UsageError("name a --key or a certificate's identity to verify it by")
    with shown(f"Verifying {url}"):
        digest, by = locate.verify(
            url, replace(configured, signing=policy), credentials(registry_auth)
        )
    click.echo(f"{url}@{digest}: verified: {by}")
