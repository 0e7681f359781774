"""What the commands that work with images share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from bpfman_core.api import ImageSource
from bpfman_core.model import PullPolicy

if TYPE_CHECKING:
    from bpfman_core.image.remote.credentials import Credentials
    from bpfman_core.image.settings import ImageSettings

_POLICIES = [policy.value for policy in PullPolicy]


def pull_policy_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--pull-policy."""
    return click.option(
        "--pull-policy",
        type=click.Choice(_POLICIES, case_sensitive=False),
        default=PullPolicy.IF_NOT_PRESENT.value,
        show_default=True,
        help="When to ask the registry.",
    )(function)


def registry_auth_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--registry-auth."""
    return click.option(
        *("-r", "--registry-auth"),
        metavar="BASE64",
        help="user:password for the registry; else what podman or docker have stored is used.",
    )(function)


def absolute(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    """A URL whose path, if it is a layout's, is absolute: a service may be somewhere else."""
    if url is None or not url.startswith("oci:") or url.startswith("oci:/"):
        return url
    return f"oci:{os.getcwd()}/{url.removeprefix('oci:')}"


def image_source(url: str, policy: str, secret: str | None) -> ImageSource:
    """An image by its options."""
    given = credentials(secret)
    if given is None:
        return ImageSource(url, PullPolicy(policy))
    return ImageSource(url, PullPolicy(policy), given.username, given.password)


def credentials(secret: str | None) -> Credentials | None:
    """What --registry-auth says: `user:password` in base64."""
    if secret is None:
        return None
    import base64

    from bpfman_core.image.remote.credentials import Credentials

    try:
        text = base64.b64decode(secret, validate=True).decode()
    except ValueError:
        raise click.BadParameter("--registry-auth is no base64 of user:password") from None
    username, _, password = text.partition(":")
    return Credentials(username, password)


def settings(context: click.Context) -> ImageSettings:
    """What this host's configuration says of images."""
    from bpfman_core.config import load_config
    from bpfman_core.image.tables import image_settings

    paths = context.find_root().obj.paths
    return image_settings(load_config(paths.config), paths.images)
