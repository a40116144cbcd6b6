"""Runs one of the flows that `flows/*.py` name: reads the options, then prepares the process."""

import argparse
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from datayield.core.system import machine, subprocesses
from datayield.integrations import prefect_server

STOPPED = (130, *subprocesses.ENDING.values())  # exit codes of Ctrl-C and of signals


def run_flow(name: str, module: str) -> int:
    """Run a flow for the corpus that the command line names; return the exit code.

    Args:
        name: of the flow, for messages.
        module: has the function `run`. Imported late, since Prefect reads the environment once.
    """
    parser = argparse.ArgumentParser(prog=f"flows/{name}.py")
    parser.add_argument("--corpus", required=True, help="name of a corpus of params.yaml")
    corpus = parser.parse_args().corpus
    root = Path()

    def run() -> None:
        machine.prepare_process()
        machine.prepare_prefect_home(root)
        from datayield import config
        from datayield.config import stage_inputs
        from datayield.study.corpus_folder import known_corpus

        with stage_inputs.held(root, name, corpus):
            params = config.load(root / "params.yaml")
            known_corpus(params, corpus)
            with prefect_server.serving(root) as wait_until_ready:
                flow = import_module(module)
                wait_until_ready()
                server_lost = flow.run(corpus, params, root)
        if server_lost:
            _leave(0)

    named = prefect_server.URL in os.environ  # else the server is this study's own
    try:
        code = subprocesses.exit_code_of(run)
    except BaseException:
        if named:
            raise
        traceback.print_exc()
        _leave(1)
    if code in STOPPED or (code and not named):
        _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """End at once, without the events that Prefect has not sent yet.

    At its exit it would try to send them, for seconds each where the server is gone.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
