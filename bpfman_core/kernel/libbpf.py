"""The functions of libbpf in use, declared for ctypes, and what it says while it works.

Any libbpf from 1.0 on will do. Its messages go to the thread that called it.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_char_p, c_int, c_size_t, c_uint32, c_void_p
from functools import cache

from bpfman_core.errors import Unsupported
from bpfman_core.kernel.programs import ProgramKind

_LINE = 4096  # bytes of one message
_XDP_ATTACH_TYPE = 37

_FUNCTIONS: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "libbpf_bpf_map_type_str": (c_char_p, (c_int,)),
    "libbpf_prog_type_by_name": (c_int, (c_char_p, c_void_p, c_void_p)),
    "libbpf_register_prog_handler": (c_int, (c_char_p, c_int, c_int, c_void_p)),
    "libbpf_strerror": (c_int, (c_int, c_char_p, c_size_t)),
    "bpf_object__open_mem": (c_void_p, (c_void_p, c_size_t, c_void_p)),
    "bpf_object__load": (c_int, (c_void_p,)),
    "bpf_object__close": (None, (c_void_p,)),
    "bpf_object__next_program": (c_void_p, (c_void_p, c_void_p)),
    "bpf_object__next_map": (c_void_p, (c_void_p, c_void_p)),
    "bpf_program__name": (c_char_p, (c_void_p,)),
    "bpf_program__fd": (c_int, (c_void_p,)),
    "bpf_program__set_autoload": (c_int, (c_void_p, ctypes.c_bool)),
    "bpf_program__set_type": (c_int, (c_void_p, c_int)),
    "bpf_program__set_expected_attach_type": (c_int, (c_void_p, c_int)),
    "bpf_program__set_attach_target": (c_int, (c_void_p, c_int, c_char_p)),
    "bpf_program__set_flags": (c_int, (c_void_p, c_uint32)),
    "bpf_map__name": (c_char_p, (c_void_p,)),
    "bpf_map__fd": (c_int, (c_void_p,)),
    "bpf_map__type": (c_int, (c_void_p,)),
    "bpf_map__key_size": (c_uint32, (c_void_p,)),
    "bpf_map__value_size": (c_uint32, (c_void_p,)),
    "bpf_map__max_entries": (c_uint32, (c_void_p,)),
    "bpf_map__reuse_fd": (c_int, (c_void_p, c_int)),
    "bpf_map__initial_value": (c_void_p, (c_void_p, c_void_p)),
    "bpf_map__set_pin_path": (c_int, (c_void_p, c_char_p)),
}


class OpenOptions(ctypes.Structure):
    """`struct bpf_object_open_opts` of libbpf 1.0."""

    _fields_ = (
        ("size", c_size_t),
        ("object_name", c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", c_char_p),
        ("unused", c_uint32),
        ("kconfig", c_char_p),
        ("btf_custom_path", c_char_p),
        ("kernel_log_buf", c_void_p),
        ("kernel_log_size", c_size_t),
        ("kernel_log_level", c_uint32),
    )


@cache
def library() -> ctypes.CDLL:
    """The library, ready for use. Raises Unsupported where there is none, or one too old."""
    try:
        found = ctypes.CDLL("libbpf.so.1", use_errno=True)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise Unsupported(
            f"libbpf 1.0 or newer is needed to load programs: {error}",
            feature="libbpf",
            hint="install it: `apt install libbpf1`, `dnf install libbpf`",
        ) from None
    found.libbpf_set_print(_print)
    # libbpf's own handler sets BPF_F_XDP_HAS_FRAGS by the section's name; here the user decides
    for section in (b"xdp+", b"xdp.frags+"):
        found.libbpf_register_prog_handler(section, ProgramKind.XDP, _XDP_ATTACH_TYPE, None)
    return found


def section_kind(section: str) -> int | None:
    """The program type number that a section's name stands for, None where it says nothing."""
    kind, attach_type = c_int(), c_int()
    with messages():
        failed = library().libbpf_prog_type_by_name(
            section.encode(), ctypes.byref(kind), ctypes.byref(attach_type)
        )
    return None if failed else kind.value


def map_type_name(kind: int) -> str:
    """A map type as images name it: `per_cpu_array`, where the kernel has `PERCPU_ARRAY`."""
    name = library().libbpf_bpf_map_type_str(kind) or b"unspec"
    words: str = name.decode()
    return words.replace("percpu", "per_cpu").replace("ringbuf", "ring_buf")


def map_type_names() -> Iterator[str]:
    """The names of all map types that this libbpf knows."""
    kind = 1
    while library().libbpf_bpf_map_type_str(kind):
        yield map_type_name(kind)
        kind += 1


def message(code: int) -> str:
    """What an error code means; libbpf has codes of its own from 4000 on."""
    text = ctypes.create_string_buffer(256)
    library().libbpf_strerror(abs(code), text, len(text))
    return text.value.decode(errors="replace")


@contextmanager
def messages() -> Iterator[list[str]]:
    """Collects what libbpf says in this thread within the block, debug messages left out."""
    heard: list[str] = []
    before = getattr(_heard, "lines", None)
    _heard.lines = heard
    try:
        yield heard
    finally:
        _heard.lines = before


_heard = threading.local()
_libc = ctypes.CDLL(None)
_DEBUG = 2  # enum libbpf_print_level


def _hear(level: int, form: int, arguments: int) -> int:
    # a va_list reaches a function as a pointer on x86-64 and arm64, and can be used up only once
    lines = getattr(_heard, "lines", None)
    if level >= _DEBUG or lines is None:
        return 0
    text = ctypes.create_string_buffer(_LINE)
    size = c_size_t(_LINE)
    _libc.vsnprintf(text, size, c_void_p(form), c_void_p(arguments))
    for line in text.value.decode(errors="replace").splitlines():
        lines.append(line.removeprefix("libbpf: ").strip())
    return 0


_print = ctypes.CFUNCTYPE(c_int, c_int, c_void_p, c_void_p)(_hear)  # libbpf keeps its address
