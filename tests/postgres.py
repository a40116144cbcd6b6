"""A real PostgreSQL server on loopback, and empty databases on it."""

import os
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.conftest import need

MEMBER = "member"
PASSWORD = "p@ss:w/rd 5%"  # every sign of it has a meaning of its own in an address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A server whose user `tester` needs no password, and whose user MEMBER needs PASSWORD."""

    def __init__(self, programs: Path, folder: Path, user: dict[str, str]) -> None:
        self.programs, self.port = programs, free_port()
        self._folder, self._user = folder, user

    def start(self) -> None:
        data, options = self._folder / "data", f"-p {self.port} -k {self._folder}"
        self._do("initdb", "-D", str(data), "-U", "tester", "--auth=trust", "--no-sync")
        rules = data / "pg_hba.conf"
        guarded = f"host all {MEMBER} 127.0.0.1/32 scram-sha-256\n"
        rules.write_text(guarded + rules.read_text())
        options += " -c listen_addresses=127.0.0.1 -c fsync=off"
        self._do(
            "pg_ctl", "-D", str(data), "-w", "-l", str(self._folder / "log"), "-o", options, "start"
        )
        self.run("psql", "-q", "-d", "postgres", "-c",
                 f"create role {MEMBER} login password '{PASSWORD}'")  # fmt: skip

    def stop(self) -> None:
        self._do("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")

    def run(self, program: str, *arguments: str) -> None:
        """One of PostgreSQL's own programs, as `tester`."""
        reached = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "tester"]
        subprocess.run([self.programs / program, *reached, *arguments], check=True)

    def database(self) -> str:
        """The name of an empty database, which MEMBER owns."""
        name = f"database_{uuid.uuid4().hex}"
        self.run("createdb", "-O", MEMBER, name)
        return name

    def address(self, database: str, driver: str = "postgresql", password: str = PASSWORD) -> str:
        """For MEMBER."""
        return f"{driver}://{self.reached(database, password)}"

    def reached(self, database: str, password: str = PASSWORD) -> str:
        """The same without its scheme."""
        return f"{MEMBER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def _do(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **self._user,
        )  # fmt: skip


@contextmanager
def running() -> Iterator[Postgres]:
    """The server for as long as the block lasts; conftest's `postgres_server` is the tests' one."""
    found = [shutil.which("initdb"), *map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    programs = [Path(p).resolve().parent for p in found if p]
    need(bool(programs), "PostgreSQL (Debian: postgresql)")
    folder = Path("/tmp") / f"datayield-postgres-{os.getpid()}"  # its user cannot enter pytest's
    folder.mkdir()
    user: dict[str, str] = {}
    if os.getuid() == 0:  # the server refuses to be root's
        user = {"user": "postgres"}
        shutil.chown(folder, "postgres")
    server = Postgres(programs[0], folder, user)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)
