"""The committed modules are what scripts/proto makes of the .proto files."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = Path("bpfman_core/rpc/generated")


def modules(root):
    found = (root / GENERATED).glob("[a-z]*.py*")
    return {path.name: _without_version(path.read_text()) for path in found}


def test_generated_modules_are_up_to_date(tmp_path):
    env = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([ROOT / "scripts" / "proto", tmp_path], env=env, check=True)
    committed, fresh = modules(ROOT), modules(tmp_path)
    stale = [name for name in fresh.keys() | committed if fresh.get(name) != committed.get(name)]
    assert not stale, "run scripts/proto"


def _without_version(text):
    """The generator's own version does not count."""
    text = re.sub(r"# Protobuf Python Version: .*", "", text)
    return re.sub(r"Domain\.PUBLIC,\s+\d+,\s+\d+,\s+\d+,", "", text)
