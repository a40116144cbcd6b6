"""Prefect: the only door to it. What its flows run are plain functions of other modules."""

from datayield.orchestrate.carry import run_study, run_tune
from datayield.orchestrate.deploying import deploy
from datayield.orchestrate.own_server import OwnServer
from datayield.orchestrate.refreshing import refresh_study

__all__ = ["deploy", "refresh_study", "run_study", "run_tune"]

OwnServer()  # what a flow of this process starts where no server is named
