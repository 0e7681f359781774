"""An initramfs with busybox, the modules that the tests need, and a first process.

Format: Documentation/driver-api/early-userspace/buffer-format.rst, "newc". The modules are written
in the order in which they can be inserted; what each one needs stands in its .modinfo section.
"""

from __future__ import annotations

import lzma
import re
import stat
from pathlib import Path

from kernels import Kernel

MODULES = (
    *("virtio_pci", "virtio_console", "fuse", "virtiofs", "overlay"),
    *("veth", "sch_ingress", "cls_bpf", "act_bpf"),
)
_HERE = Path(__file__).parent


class Archive:
    """A cpio archive under construction."""

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def directory(self, name: str) -> None:
        self._add(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self._add(name, stat.S_IFREG | mode, data)

    def device(self, name: str, major: int, minor: int) -> None:
        self._add(name, stat.S_IFCHR | 0o600, major=major, minor=minor)

    def finish(self) -> bytes:
        self._add("TRAILER!!!", 0)
        return b"".join(self._entries)

    def _add(self, name: str, mode: int, data: bytes = b"", major: int = 0, minor: int = 0) -> None:
        title = name.encode() + b"\0"
        number = len(self._entries) + 1
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(title), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + title
        self._entries.append(_padded(head) + _padded(data))


def build(kernel: Kernel, command: str) -> bytes:
    """The archive; `command` is what a shell runs when the machine is up."""
    archive = Archive()
    for name in ("bin", "dev", "proc", "sys", "modules", "host", "writable", "root"):
        archive.directory(name)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    archive.file("init", (_HERE / "init").read_bytes(), 0o755)
    archive.file("command", command.encode(), 0o755)
    modules = _Modules(kernel)
    for name in MODULES:
        modules.need(name)
    for index, data in enumerate(modules.found.values()):
        archive.file(f"modules/{index:03}.ko", data)
    return archive.finish()


class _Modules:
    """Modules and all that they need, in the order of insertion."""

    def __init__(self, kernel: Kernel) -> None:
        self.found: dict[str, bytes] = {}
        self._files = {
            _plain(path.name.partition(".")[0]): path
            for path in kernel.modules.glob("kernel/**/*.ko*")
        }

    def need(self, name: str) -> None:
        """Add a module; one that is not there is part of the kernel's image."""
        path = self._files.get(_plain(name))
        if path is None or _plain(name) in self.found:
            return
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
        depends = re.search(rb"\0?depends=([^\0]*)\0", data)
        for other in depends[1].decode().split(",") if depends else ():
            self.need(other)
        for text in re.findall(rb"\0softdep=pre: ([^\0:]*)", data):
            for other in text.decode().split():
                self.need(other)
        self.found[_plain(name)] = data


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
