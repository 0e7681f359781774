"""What was asked for, and what is in flux: records in SQLite.

The kernel says what runs and the pins say what stays; the store adds what neither can know. It
lies in the runtime directory and goes with a reboot, as everything in the kernel does.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bpfman_core import records
from bpfman_core.errors import BpfmanError, Denied, NotFound
from bpfman_core.model import LinkRecord, ProgramRecord

_VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS programs (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    program_id INTEGER NOT NULL,
    record TEXT NOT NULL
);
PRAGMA user_version = {_VERSION};
"""


class Store:
    """The records. Every thread gets a connection of its own; writers hold the writer lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()

    def programs(self) -> list[ProgramRecord]:
        """All programs, by id."""
        rows = self._read("SELECT record FROM programs ORDER BY id")
        return [records.program_from_text(row[0]) for row in rows]

    def program(self, program_id: int) -> ProgramRecord:
        """One program. Raises NotFound."""
        rows = self._read("SELECT record FROM programs WHERE id = ?", program_id)
        if not rows:
            raise NotFound(
                f"bpfman manages no program with id {program_id}", hint="`bpfman list` shows them"
            )
        return records.program_from_text(rows[0][0])

    def put_programs(self, *programs: ProgramRecord) -> None:
        """Insert or replace programs: all of them or, if it fails, none."""
        rows = [(program.id, records.program_to_text(program)) for program in programs]
        with self._write() as database:
            database.executemany("INSERT OR REPLACE INTO programs VALUES (?, ?)", rows)

    def drop_program(self, program_id: int) -> None:
        """Forget a program and its links."""
        with self._write() as database:
            database.execute("DELETE FROM links WHERE program_id = ?", (program_id,))
            database.execute("DELETE FROM programs WHERE id = ?", (program_id,))

    def links(self, program_id: int | None = None) -> list[LinkRecord]:
        """All links, or those of one program, by id."""
        if program_id is None:
            rows = self._read("SELECT record FROM links ORDER BY id")
        else:
            query = "SELECT record FROM links WHERE program_id = ? ORDER BY id"
            rows = self._read(query, program_id)
        return [records.link_from_text(row[0]) for row in rows]

    def link(self, link_id: int) -> LinkRecord:
        """One link. Raises NotFound."""
        rows = self._read("SELECT record FROM links WHERE id = ?", link_id)
        if not rows:
            raise NotFound(
                f"there is no link with id {link_id}", hint="`bpfman list links` shows them"
            )
        return records.link_from_text(rows[0][0])

    def add_link(self, link: LinkRecord) -> LinkRecord:
        """Insert a link; gives it back with its id, one that was never given before."""
        with self._write() as database:
            insert = "INSERT INTO links (program_id, record) VALUES (?, '')"
            number = database.execute(insert, (link.program_id,)).lastrowid
            assert number is not None
            numbered = replace(link, id=number)
            self._put(database, numbered)
        return numbered

    def put_link(self, link: LinkRecord) -> None:
        """Replace a link."""
        with self._write() as database:
            self._put(database, link)

    def drop_link(self, link_id: int) -> None:
        """Forget a link."""
        with self._write() as database:
            database.execute("DELETE FROM links WHERE id = ?", (link_id,))

    @staticmethod
    def _put(database: sqlite3.Connection, link: LinkRecord) -> None:
        text = records.link_to_text(link)
        database.execute("UPDATE links SET record = ? WHERE id = ?", (text, link.id))

    def _read(self, query: str, *values: int) -> list[tuple[str]]:
        if not self._path.exists():
            return []
        with self._translated():
            return self._connection().execute(query, values).fetchall()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            database = self._connection()
            with database:
                yield database

    def _connection(self) -> sqlite3.Connection:
        database: sqlite3.Connection | None = getattr(self._local, "database", None)
        if database is None:
            database = self._local.database = self._open()
        return database

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=10)
        # a crash of ours cannot lose a commit, and a crash of the host empties the directory anyway
        database.execute("PRAGMA synchronous = OFF")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        elif version != _VERSION:
            raise BpfmanError(
                f"{self._path} is of version {version}, this bpfman knows {_VERSION}",
                hint="unload everything with the bpfman that wrote it",
            )
        return database

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "open database" in str(error) or "readonly" in str(error):
                raise Denied(f"cannot open {self._path}", hint="run it as root") from error
            raise BpfmanError(f"the store {self._path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise BpfmanError(
                f"the store {self._path} is damaged: {error}",
                hint="move it away; what runs stays as it is",
            ) from error
