"""The Prefect server of one flow, in a process of its own: `python -m datayield.flow_server PORT`.

It ends when its standard input does, so with the process that started it, however that one ended:
the system closes the other end of a killed process's pipe.
"""

import os
import signal
import sys
import threading
import time

GRACE = 10  # seconds for an orderly end


def main(port: int) -> None:
    """Serve Prefect's API on loopback until the starting process is gone.

    Args:
        port: where to listen; exit code 3 when that is not possible.
    """
    threading.Thread(target=_end_with_starter, daemon=True).start()
    import uvicorn

    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="on",
    )


def _end_with_starter() -> None:
    # Not sys.stdin: its lock would hold up the interpreter's end.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
