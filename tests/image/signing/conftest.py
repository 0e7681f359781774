"""Keys, an image to sign, and what is said of it."""

from __future__ import annotations

import shutil

import pytest

from bpfman_core.api import ImageSource
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
