"""The user's own credentials for a registry: where podman and docker keep them.

All files are asked in this order, the first with an entry for the registry answers:
$REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
$DOCKER_CONFIG/config.json or ~/.docker/config.json. Entries may be for a registry or, more
closely, for repositories below it (containers-auth.json(5)). A helper is a program
`docker-credential-NAME` that is given the registry on stdin.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bpfman_core.api import ImageSource
from bpfman_core.image.reference import Reference
from bpfman_core.model import Json, PullPolicy

_log = logging.getLogger(__name__)

_HELPER_TIMEOUT = 30.0  # seconds
_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"


@dataclass(frozen=True)
class Credentials:
    """A user and a password; neither is ever logged."""

    username: str
    password: str = field(repr=False)

    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


def find(reference: Reference) -> Credentials | None:
    """What the user has stored for the registry of this image, if anything.

    A file or helper that is of no use is logged as a warning, and passed over.
    """
    for path in _files():
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            _log.warning("cannot use the credentials in %s: %s", path, error)
            continue
        found = _look_up(document, reference) if isinstance(document, dict) else None
        if found is not None:
            return found
    return None


def completed(source: ImageSource) -> ImageSource:
    """With the user's own credentials, where the caller gave none and they may be needed."""
    if (
        source.username is not None
        or source.pull_policy is PullPolicy.NEVER
        or source.url.startswith("oci:")
    ):
        return source
    found = find(Reference.parse(source.url))
    if found is None:
        return source
    return replace(source, username=found.username, password=found.password)


def _files() -> Iterator[Path]:
    env = os.environ
    if "REGISTRY_AUTH_FILE" in env:
        yield Path(env["REGISTRY_AUTH_FILE"])
    if "XDG_RUNTIME_DIR" in env:
        yield Path(env["XDG_RUNTIME_DIR"], "containers/auth.json")
    home = Path(env.get("HOME", "/root"))
    yield Path(env.get("XDG_CONFIG_HOME", home / ".config"), "containers/auth.json")
    yield Path(env.get("DOCKER_CONFIG", home / ".docker"), "config.json")


def _look_up(document: Mapping[str, Json], reference: Reference) -> Credentials | None:
    helpers = document.get("credHelpers")
    helper = helpers.get(reference.registry) if isinstance(helpers, dict) else None
    if helper is not None:
        return _from_helper(str(helper), reference.registry)
    entries = document.get("auths")
    for key in _keys(reference):
        entry = entries.get(key) if isinstance(entries, dict) else None
        found = _from_entry(entry, key) if isinstance(entry, dict) else None
        if found is not None:
            return found
    store = document.get("credsStore")
    return None if store is None else _from_helper(str(store), reference.registry)


def _keys(reference: Reference) -> Iterator[str]:
    """The closest first: `quay.io/team/app`, `quay.io/team`, `quay.io`."""
    name = reference.name
    while "/" in name:
        yield name
        name = name.rpartition("/")[0]
    yield name
    for prefix in ("https://", "http://"):
        for end in ("", "/", "/v1/", "/v2/"):
            yield f"{prefix}{name}{end}"
    if name == _HUB:
        yield _HUB_KEY


def _from_entry(entry: Mapping[str, Json], key: str) -> Credentials | None:
    if entry.get("identitytoken"):
        _log.warning("the credentials for %s are an identity token, which is of no use here", key)
        return None
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Credentials(entry["username"], entry["password"])
    try:
        text = base64.b64decode(entry.get("auth") or "", validate=True).decode()
    except (TypeError, ValueError):
        _log.warning("the credentials for %s are no base64 of user:password", key)
        return None
    username, colon, password = text.partition(":")
    return Credentials(username, password.rstrip("\0")) if colon else None


def _from_helper(name: str, registry: str) -> Credentials | None:
    import subprocess

    if not re.fullmatch(r"[\w.-]+", name):
        _log.warning("%r is no name of a credential helper", name)
        return None
    program = f"docker-credential-{name}"
    asked = _HUB_KEY if registry == _HUB else registry
    try:
        done = subprocess.run(
            [program, "get"],
            input=asked.encode(),
            capture_output=True,
            timeout=_HELPER_TIMEOUT,
            check=True,
        )
        answer = json.loads(done.stdout)
        found = Credentials(str(answer["Username"]), str(answer["Secret"]))
    except subprocess.CalledProcessError:
        return None  # it has none for this registry, which is no error
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as error:
        _log.warning("%s gave no credentials for %s: %s", program, registry, type(error).__name__)
        return None
    if found.username == "<token>":
        _log.warning("%s gave an identity token for %s, of no use here", program, registry)
        return None
    return found
