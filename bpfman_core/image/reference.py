"""Names of images: `registry/repository:tag@digest`, as container tools write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bpfman_core.errors import InvalidRequest

_DOCKER = "docker.io"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"  # RFC 1035, 2.3.4
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?")
_WORD = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255  # characters of registry and repository


@dataclass(frozen=True)
class Reference:
    """An image's full name. At least one of `tag` and `digest` is set; the digest decides."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a name. Raises InvalidRequest.

        Without a registry it is docker.io, whose repositories of one word lie under `library/`;
        without tag and digest the tag is `latest`.
        """
        if "://" in text:
            plain = text.partition("://")[2]
            raise _invalid(text, "it has a scheme", hint=f"write {plain}")
        name, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise _invalid(text, "a digest is sha256: and 64 hexadecimal digits in lower case")
        name, tag = _split_tag(name)
        if tag is not None and not _TAG.fullmatch(tag):
            raise _invalid(text, f"{tag!r} is no tag")
        registry, repository = _split_registry(name)
        if not _REGISTRY.fullmatch(registry):
            raise _invalid(text, f"{registry!r} is no registry")
        if not _REPOSITORY.fullmatch(repository):
            raise _invalid(text, f"{repository!r} is no repository")
        if len(registry) + 1 + len(repository) > _LONGEST:
            raise _invalid(text, f"it is longer than {_LONGEST} characters")
        if tag is None and not at:
            tag = "latest"
        return cls(registry, repository, tag, digest or None)

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def is_digest(text: object) -> bool:
    """Whether this is a digest as images write it; SHA-256 is the only kind that is accepted."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def _split_tag(name: str) -> tuple[str, str | None]:
    head, colon, tail = name.rpartition(":")
    if not colon or "/" in tail:  # the colon of a port
        return name, None
    return head, tail


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = _DOCKER, name
    if registry == f"index.{_DOCKER}":
        registry = _DOCKER
    if registry == _DOCKER and "/" not in repository:
        repository = f"library/{repository}"
    return registry, repository


def _invalid(text: str, reason: str, *, hint: str | None = None) -> InvalidRequest:
    return InvalidRequest(f"{text!r} is no image reference: {reason}", hint=hint)
