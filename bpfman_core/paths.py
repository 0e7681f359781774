"""Where everything lies. No other module computes a path of bpfman's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The directories of one installation; the environment can move each of the four roots."""

    runtime: Path = Path("/run/bpfman")
    socket: Path = Path("/run/bpfman-sock/bpfman.sock")
    config: Path = Path("/etc/bpfman/bpfman.toml")
    data: Path = Path("/var/lib/bpfman")

    @classmethod
    def from_environment(cls) -> Paths:
        """As BPFMAN_RUNTIME_DIR, BPFMAN_SOCKET_PATH, BPFMAN_CONFIG and BPFMAN_DATA_DIR say.

        A runtime directory of one's own takes the socket along, unless that is set as well.
        """
        env = os.environ
        runtime = Path(env.get("BPFMAN_RUNTIME_DIR", cls.runtime)).absolute()
        beside = runtime / "bpfman.sock" if "BPFMAN_RUNTIME_DIR" in env else cls.socket
        return cls(
            runtime=runtime,
            socket=Path(env.get("BPFMAN_SOCKET_PATH", beside)).absolute(),
            config=Path(env.get("BPFMAN_CONFIG", cls.config)).absolute(),
            data=Path(env.get("BPFMAN_DATA_DIR", cls.data)).absolute(),
        )

    @property
    def lock(self) -> Path:
        """The file that writers lock."""
        return self.runtime / ".lock"

    @property
    def database(self) -> Path:
        """The store."""
        return self.runtime / "bpfman.db"

    @property
    def images(self) -> Path:
        """The cache of images."""
        return self.data / "images"

    @property
    def verifier_log(self) -> Path:
        """The whole text of the last verifier rejection."""
        return self.runtime / "verifier.log"

    @property
    def bpffs(self) -> Path:
        """The mount point of bpfman's own bpffs."""
        return self.runtime / "fs"

    @property
    def pin_directories(self) -> tuple[Path, ...]:
        """The directories of pins that the host itself keeps."""
        return tuple(self.bpffs / name for name in ("programs", "maps", "links", "types"))

    def program_pin(self, program_id: int) -> Path:
        """The pin of a program."""
        return self.bpffs / "programs" / str(program_id)

    def maps(self, program_id: int) -> Path:
        """The directory of a program's map pins."""
        return self.bpffs / "maps" / str(program_id)

    def map_pin(self, program_id: int, name: str) -> Path:
        """The pin of one map; bpffs allows no dot in a name."""
        return self.maps(program_id) / name.replace(".", "_")

    def link_pin(self, link_id: int) -> Path:
        """The pin of a link that its plugin left to the host."""
        return self.bpffs / "links" / str(link_id)

    def plugin_pins(self, word: str) -> Path:
        """The directory for pins that the plugin of a program type keeps itself."""
        return self.bpffs / "types" / word
