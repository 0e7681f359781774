"""A service whose programs exist in its memory only: for tests of the protocol and the process.

fake_service.py SOCKET JOURNAL [--idle SECONDS] [--keep]

What it does besides answering is written to the file JOURNAL, a word per line.
"""

import argparse
import time
from pathlib import Path

from bpfman_core import log, service
from bpfman_core.api import (
    AttachPart,
    FileSource,
    ImageSource,
    ListRequest,
    LoadRequest,
    UpdateRequest,
)
from bpfman_core.errors import Full, KernelError, NotFound, Unsupported, VerifierRejected
from bpfman_core.model import (
    ChainMember,
    ChainView,
    FileOrigin,
    ImageOrigin,
    KernelProgram,
    LinkView,
    PluginInfo,
    ProgramSpec,
    ProgramView,
)

LOG_LINES = 20_000


class FakeApi:
    """Programs are numbered from 100, links from 1. A few names and ids make trouble."""

    def __init__(self) -> None:
        self.programs: dict[int, ProgramView] = {}
        self.attached: dict[int, LinkView] = {}

    def load(self, request: LoadRequest) -> tuple[ProgramView, ...]:
        for program in request.programs:
            self._make_trouble(program.name)
        return tuple(self._load(request, index) for index in range(len(request.programs)))

    def attach(self, program_id: int, part: AttachPart) -> LinkView:
        self.get(program_id)
        return self._attach(program_id, part)

    def detach(self, link_id: int) -> None:
        del self.attached[self.get_link(link_id).id]

    def unload(self, program_id: int) -> None:
        del self.programs[self.get(program_id).kernel.id]

    def update(self, request: UpdateRequest) -> LinkView:
        before = self.get_link(request.link_id)
        part = AttachPart(before.type, {**before.options, **request.options}, before.metadata)
        return self._attach(before.program_id, part, before.id)

    def list(self, request: ListRequest) -> tuple[ProgramView, ...]:
        everything = [*self.programs.values(), *([_foreign()] if request.all else [])]
        kinds = {request.kind} if request.kind is not None else {6, 26}
        return tuple(view for view in everything if view.kernel.type in kinds)

    def links(self) -> tuple[LinkView, ...]:
        return tuple(self.attached.values())

    def get(self, program_id: int) -> ProgramView:
        if program_id == 7:
            return _foreign()
        if program_id not in self.programs:
            raise NotFound(f"there is no program {program_id}", hint="`bpfman list` shows them")
        return self.programs[program_id]

    def get_link(self, link_id: int) -> LinkView:
        if link_id not in self.attached:
            raise NotFound(f"there is no link {link_id}")
        return self.attached[link_id]

    def chains(self, netns: str | None) -> tuple[ChainView, ...]:
        ours = ChainMember(100, "pass", 1, 50, ("pass",))
        return (
            ChainView("xdp", "eth0", (ours, ChainMember(7, "stranger")), netns, None, "native"),
        )

    def plugins(self) -> tuple[PluginInfo, ...]:
        return (PluginInfo("xdp", "bpfman-xdp", "1.2", "broken", ("xdp",), "it fell"),)

    def pull(self, source: ImageSource) -> None:
        if (source.username, source.password) != ("user", "secret"):
            raise RuntimeError("a fault of the service")

    def _load(self, request: LoadRequest, index: int) -> ProgramView:
        program = request.programs[index]
        number = 100 + len(self.programs)
        links = (self._attach(number, request.attach),) if request.attach else ()
        source = request.source
        if isinstance(source, FileSource):
            size = len(source.data) if source.data is not None else 0
            origin: FileOrigin | ImageOrigin = FileOrigin(source.path)
        else:
            size = 0
            origin = ImageOrigin(source.url, source.pull_policy, "sha256:00", "cache")
        spec = ProgramSpec(
            program.name or "only",
            program.type,
            origin,
            request.globals,
            request.metadata,
            request.application,
            request.map_owner_id,
            program.options,
        )
        self.programs[number] = ProgramView(
            _kernel(number, spec.name, size),
            program.type,
            spec,
            f"/run/bpfman/fs/maps/{number}",
            (number,),
            links,
            tuple(link.id for link in links),
        )
        return self.programs[number]

    def _attach(self, program_id: int, part: AttachPart, link_id: int | None = None) -> LinkView:
        number = link_id or len(self.attached) + 1
        rows = (("Priority", str(part.options.get("priority"))),)
        self.attached[number] = LinkView(
            number, program_id, part.type, part.options, part.metadata, True, 0, "", rows
        )
        return self.attached[number]

    def _make_trouble(self, name: str | None) -> None:
        match (name or "").partition(":"):
            case "rejected", _, _:
                lines = "\n".join(f"{number}: R0=0" for number in range(LOG_LINES))
                raise VerifierRejected("refused", log=lines, telling="invalid access")
            case "unsupported", _, _:
                raise Unsupported("no tcx", feature="tcx", hint="use tc")
            case "kernel", _, _:
                raise KernelError("BPF_LINK_CREATE", 16, detail="busy")
            case "full", _, _:
                raise Full("the chain\nis full")
            case "wait", _, file:
                deadline = time.monotonic() + 30
                Path(file + ".waiting").touch()
                while not Path(file).exists() and time.monotonic() < deadline:
                    time.sleep(0.01)


def _kernel(number: int, name: str, size: int) -> KernelProgram:
    return KernelProgram(
        number, name[:15], 6, 1.5e9 + 0.25, "00ff", True, (1, 2), None, size, True, 67, 4096, 9
    )


def _foreign() -> ProgramView:
    return ProgramView(KernelProgram(7, "", 26, 0.0, "", False, (), 5, 8, False, 0, 0, 1), "fexit")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("socket", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--idle", type=float)
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()

    def write(word: str) -> None:
        with open(args.journal, "a", encoding="utf-8") as journal:
            journal.write(f"{word}\n")

    log.configure("info")
    duties = service.Duties(
        prepare=lambda: write("prepared"),
        unload_all=None if args.keep else lambda: write("unloaded"),
    )
    service.serve(args.socket, FakeApi(), duties, idle_timeout=args.idle)
    write("ended")


if __name__ == "__main__":
    main()
