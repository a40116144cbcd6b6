"""Runs Prefect's server until the process that holds `owner.lock` is gone.

    python -m datayield.integrations.prefect_server_watch FOLDER PORT

The system releases a lock when its holder ends, so not even `kill -9` leaves a server behind.
"""

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

GRACE = 5  # seconds for an orderly end
HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent dies


def main(folder: Path, port: int) -> int:
    """Start the server, end it with its owner and return its exit code.

    Args:
        folder: holds `owner.lock`; `server.lock` stays locked there while the server runs.
        port: where the server listens.
    """
    alive = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR)  # closed by this process's end
    fcntl.flock(alive, fcntl.LOCK_SH)
    command = [sys.executable, "-m", "prefect", "server", "start"]
    server = subprocess.Popen(
        [*command, "--host", HOST, "--port", str(port)],
        preexec_fn=_end_with_parent,  # noqa: PLW1509 (no thread runs yet)
    )
    threading.Thread(target=_end_with_owner, args=(folder, server), daemon=True).start()
    code = server.wait()
    address = folder / "server.url"
    if address.exists() and address.read_text().endswith(f":{port}"):
        address.unlink(missing_ok=True)
    return code


def _end_with_parent() -> None:
    with suppress(AttributeError):  # systems other than Linux have no prctl
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_owner(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    with (folder / "owner.lock").open("ab") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        # Removed under the lock, so that the next owner never finds a server that is ending.
        (folder / "server.url").unlink(missing_ok=True)
    server.terminate()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
