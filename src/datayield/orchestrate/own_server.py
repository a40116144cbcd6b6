"""The server that Prefect starts for a flow where PREFECT_API_URL names none."""

import os
import subprocess
import sys
from typing import Any

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

COMMAND = "datayield.flow_server"
_OWN = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
}  # as Prefect sets them for its own


class OwnServer(SubprocessASGIServer):
    """Prefect's temporary server, but one that no `kill -9` of the flow leaves behind.

    Made before a flow begins, it is the one that Prefect finds and starts: there is one per process.
    """

    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        settings = get_current_settings().to_environment_variables(exclude_unset=True)
        return subprocess.Popen(
            [sys.executable, "-m", COMMAND, str(self.port)],
            env={**os.environ, **_OWN, **settings},
            process_group=0,  # a Ctrl-C ends the flow, which still tells its server so
            stdin=subprocess.PIPE,  # never written to: flow_server.py reads its end
        )

    def stop(self) -> None:
        """End it in good order."""
        process = self.server_process
        super().stop()
        if process is not None and process.stdin is not None:
            process.stdin.close()
