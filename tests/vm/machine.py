"""Runs a command as root under another kernel, in an emulated machine that sees the host's files.

The machine reads the host's files through virtiofs and writes to memory only. Emulation is pure
software (TCG), so it needs no privilege of the host's and takes ten to twenty times as long.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import initramfs
from kernels import Kernel

_VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
_MEMORY = "2G"
_KERNEL_OPTIONS = (
    "console=ttyS0 quiet panic=-1 oops=panic mitigations=off random.trust_cpu=on audit=0 "
    "rcupdate.rcu_expedited=1 cryptomgr.notests"
)


def run(kernel: Kernel, command: str, *, timeout: float) -> tuple[int | None, str]:
    """Exit status and output of a shell command; no status if the machine did not come that far."""
    with tempfile.TemporaryDirectory(prefix="bpfman-vm-") as name, _files(Path(name)) as socket:
        directory = Path(name)
        (directory / "initramfs").write_bytes(initramfs.build(kernel, command))
        (directory / "output").touch()
        try:
            subprocess.run(
                _qemu(kernel, directory, socket),
                stdin=subprocess.DEVNULL,
                check=True,
                timeout=timeout,
                stdout=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            print(f"{kernel.release}: not finished after {timeout:g} s")
        output = (directory / "output").read_text(errors="replace")
        status = (directory / "status").read_text().strip()
        if not status:
            output += (directory / "console").read_text(errors="replace")
        return int(status) if status else None, output


@contextmanager
def _files(directory: Path) -> Iterator[Path]:
    """The host's files, served on a socket."""
    socket = directory / "files"
    command = [_VIRTIOFSD, f"--socket-path={socket}", "-o", "source=/", "-o", "cache=always"]
    with open(directory / "virtiofsd", "wb") as log:
        process = subprocess.Popen(
            [*command, "-o", "sandbox=chroot", "-f"], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        while not socket.exists() and process.poll() is None:
            os.sched_yield()
        yield socket
    finally:
        process.kill()
        process.wait()


def _qemu(kernel: Kernel, directory: Path, socket: Path) -> list[str]:
    command = ["qemu-system-x86_64", "-machine", "pc,memory-backend=memory"]
    command += ["-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "1"]
    command += ["-m", _MEMORY, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-object", f"memory-backend-memfd,id=memory,size={_MEMORY},share=on"]
    command += ["-kernel", str(kernel.image), "-initrd", str(directory / "initramfs")]
    command += ["-append", _KERNEL_OPTIONS, "-serial", f"file:{directory / 'console'}"]
    command += ["-chardev", f"socket,id=files,path={socket}"]
    command += ["-device", "vhost-user-fs-pci,chardev=files,tag=host,queue-size=1024"]
    command += ["-device", "virtio-serial-pci"]
    for port in ("output", "status"):
        command += ["-chardev", f"file,id={port},path={directory / port}"]
        command += ["-device", f"virtserialport,chardev={port},name={port}"]
    return command
