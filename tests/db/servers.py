"""Real database servers on loopback, each with its data in a temporary directory: made, stopped, killed, started again.

server = PostgreSQL()
url = server.create()          # a new, empty database
server.kill()
server.start()                 # the same data at the same address
server.remove()
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import ClassVar

from sqlalchemy import create_engine

from controller.io.store import engines
from tests.ovs.controller import free_port

PATIENCE = 60.0
_NUMBERS = itertools.count(1)


def _is_stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped (proc(5): state T)."""
    states = (thread.read_text().rpartition(")")[2].split()[0] for thread in Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(state == "T" for state in states)


class Server:
    """What the two have in common.  Data must survive a kill, but no power cut, so they don't sync."""

    user: ClassVar[str]
    """Who the server runs as when we are root: it refuses root, or should not need it."""
    admin: ClassVar[str]
    """The URL of a database that is always there; `{port}` is filled in."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="patchbay-db-", dir="/tmp"))
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.user)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        # MariaDB deletes temporary tables that it finds at its start: in /tmp they may be another one's.
        self._environ = {**os.environ, "TMPDIR": str(self.directory)}
        self.port = free_port("127.0.0.1")
        self.process: subprocess.Popen[bytes] | None = None
        self._run(*self.initialise())
        self.start()

    def initialise(self) -> list[str]:
        raise NotImplementedError

    def serve(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self.process is None
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._as_user("--pdeathsig", "KILL") + self.serve(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self._environ,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self.process.poll() is None, (self.directory / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "the database server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an operator would, without waiting for its clients."""
        self._end(signal.SIGINT if isinstance(self, PostgreSQL) else signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Have it answer nothing, as a server does whose machine or network has died."""
        self._signal_all(signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE
        while not all(map(_is_stopped, self._pids())):  # a thread that runs on another core stops a little later
            assert time.monotonic() < deadline, "the server does not stop"
            time.sleep(0.01)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def create(self) -> str:
        """A new, empty database; its URL."""
        name = f"patchbay_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.admin.format(port=self.port).rsplit("/", 1)[0] + "/" + name

    def drop(self, url: str) -> None:
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """Run a statement as the administrator."""
        engine = create_engine(engines.parse(self.admin.format(port=self.port)), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()

    def remove(self) -> None:
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        self.process = None

    def _signal_all(self, number: int) -> None:
        for pid in self._pids():
            os.kill(pid, number)

    def _pids(self) -> list[int]:
        """The server and its children (PostgreSQL has one for each connection)."""
        assert self.process is not None
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except Exception:  # noqa: BLE001  (each driver has its own ways to say "not yet")
            return False
        return True

    def _as_user(self, *options: str) -> list[str]:
        switch = ["--reuid", self.user, "--regid", self.user, "--init-groups"] if os.getuid() == 0 else []
        return ["setpriv", *switch, *options]

    def _run(self, *command: str) -> None:
        command = (*self._as_user(), *command)
        ran = subprocess.run(command, cwd=self.directory, env=self._environ, capture_output=True, text=True)
        assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"


class PostgreSQL(Server):
    """Debian has its programs beside those of other versions, outside of the PATH."""

    user = "postgres"
    admin = "postgresql://postgres@127.0.0.1:{port}/postgres"

    def initialise(self) -> list[str]:
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
        return [self._program("initdb"), *options, f"{self.directory}/data"]

    def serve(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": "100",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", f"{self.directory}/data", "-p", str(self.port), *options]

    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[1]} WITH (FORCE)")

    @staticmethod
    def _program(name: str) -> str:
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")) or [shutil.which(name)]
        assert found[-1] is not None, "PostgreSQL is not installed: run make setup"
        return str(found[-1])


class MariaDB(Server):
    user = "mysql"
    admin = "mariadb://root@127.0.0.1:{port}/mysql"

    def initialise(self) -> list[str]:
        program = shutil.which("mariadb-install-db")
        assert program is not None, "MariaDB is not installed: run make setup"
        options = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        return [program, *options, f"--datadir={self.directory}/data"]

    def serve(self) -> list[str]:
        program = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert program is not None, "MariaDB is not installed: run make setup"
        options = ["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]
        options += ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M", "--innodb-fast-shutdown=2"]
        options += [f"--port={self.port}", f"--datadir={self.directory}/data", f"--socket={self.directory}/socket"]
        return [program, *options, f"--pid-file={self.directory}/pid"]

    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rsplit('/', 1)[1]}")
