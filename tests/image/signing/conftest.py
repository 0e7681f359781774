"""Keys, an image to sign, and what is said of it."""

from __future__ import annotations

import shutil

import pytest

from bpfman_core.api import ImageSource
from bpfman_core.image.places import open_repository
from bpfman_core.image.push import push
from bpfman_core.image.reference import Reference
from bpfman_core.image.source import find
from tests.image.signers import (
    Key,
    Signed,
)


@pytest.fixture
def key(tmp_path) -> Key:
    return Key.make(tmp_path)


@pytest.fixture
def other(tmp_path) -> Key:
    return Key.make(tmp_path)


@pytest.fixture
def signed(built) -> Signed:
    return Signed(built())


@pytest.fixture
def verdict(configured, tmp_path):
    """What is said of an image in a layout of its own, under a policy."""

    def said(image: Signed, policy: str) -> str:
        shutil.rmtree(tmp_path / "layout", ignore_errors=True)
        url = image.keep(tmp_path / "layout")
        return find(ImageSource(url), configured(policy)).signature

    return said


@pytest.fixture
def published(registries, configured):
    """Pushes an image and what is about it to a registry; gives its URL."""

    def made(image: Signed, name: str) -> str:
        url = registries("open").reference(name)
        place = Reference.parse(url)
        target = open_repository(place, configured(), actions="pull,push")
        tags = image.tags()
        blobs = {**image.image.blobs, **image.blobs}
        push(image.image.top, lambda one, _: blobs[one.digest], target, place.tag)
        for tag, top in tags.items():
            push(top, lambda one, _: blobs[one.digest], target, tag)
        return url

    return made
