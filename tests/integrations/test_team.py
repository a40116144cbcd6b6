"""The servers of a team, all three on one PostgreSQL: settings alone, and the same results."""

import json
import shutil
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text

from datayield.core import tables
from tests.conftest import REPO, datayield, flow, read_params, write_params
from tests.integrations.test_servers import end, start, wait_for
from tests.postgres import Postgres, free_port
from tests.study.test_study import rows, same

pytestmark = pytest.mark.slow

ARMS = ["lstm:plain", "tfidf", "majority"]


@dataclass(frozen=True)
class Team:
    """What the members of a team set, and where the servers keep what they are told."""

    settings: dict[str, str]
    databases: dict[str, str]  # by tool, their addresses
    artifacts: Path

    def asked(self, tool: str, query: str) -> list[tuple[Any, ...]]:
        """The answer of a tool's own database."""
        engine = create_engine(self.databases[tool])
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()


def service(tool: str, stand_ins: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and settings of a service of compose.yaml, on this machine instead of in containers."""
    found = yaml.safe_load((REPO / "deploy" / "compose.yaml").read_text())["services"][tool]

    def here(said: str) -> str:
        for there, own in stand_ins.items():
            said = said.replace(there, own)
        return said

    return here(found["command"]).split(), {k: here(v) for k, v in found["environment"].items()}


@pytest.fixture(scope="module")
def team(postgres_server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The services of deploy/compose.yaml, by its own commands and settings."""
    folder = tmp_path_factory.mktemp("team")
    names = {tool: postgres_server.database() for tool in ("prefect", "mlflow", "trials")}
    flows, runs = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    home = {"PREFECT_HOME": str(folder / "home")}
    stand_ins = {
        "datayield:${POSTGRES_PASSWORD}@postgres/prefect": postgres_server.reached(
            names["prefect"]
        ),
        "datayield:${POSTGRES_PASSWORD}@postgres/mlflow": postgres_server.reached(names["mlflow"]),
        " /artifacts ": f" {folder / 'artifacts'} ",
        "0.0.0.0": "127.0.0.1",
        "4200": flows.rpartition(":")[2],
        "5000": runs.rpartition(":")[2],
    }
    started = []
    try:
        for tool, address in (("prefect", flows), ("mlflow", runs)):
            command, settings = service(tool, stand_ins)
            port = ["--port", address.rpartition(":")[2]]
            own = {**settings, **home}
            started.append(start(folder, sys.executable, "-m", *command, *port, **own))
        wait_for(f"{flows}/api/health")
        wait_for(f"{runs}/health")
        databases = {tool: postgres_server.address(name) for tool, name in names.items()}
        settings = {
            **home,
            "PREFECT_API_URL": f"{flows}/api",
            "MLFLOW_TRACKING_URI": runs,
            "DATAYIELD_OPTUNA_STORAGE": databases["trials"],
        }
        yield Team(settings, databases, folder / "artifacts")
    finally:
        for process in started:
            end(process)


@pytest.fixture
def tuned(project: Path) -> Path:
    params = read_params(project)
    params["study"]["grid"] = [{"arms": ARMS, "budgets": [30]}]
    params["tuning"] = {"trials": 2}
    write_params(project, params)
    return project


def test_one_postgresql_holds_flows_runs_and_trials(
    team: Team, tuned: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(tuned, alone)
    for kept in ("mlflow.db", "optuna.journal"):
        (tuned / "state" / kept).unlink(missing_ok=True)
    for folder, settings in ((alone, {}), (tuned, team.settings)):
        for name in ("tune", "study"):
            done = flow(folder, name, **settings)
            assert done.returncode == 0, done.stderr
            assert "notice" not in done.stderr, done.stderr
    assert same(rows(tuned), rows(alone)) and len({r["cell"] for r in rows(tuned)}) == 6
    assert not (tuned / "state/mlflow.db").exists(), "one log, the server's"
    assert not (tuned / "state/optuna.journal").exists()

    states = "select f.name, r.name, r.state_type from flow_run r join flow f on f.id = r.flow_id"
    assert sorted(team.asked("prefect", states)) == [
        ("study", "small: written", "COMPLETED"),
        ("tune", "small: written", "COMPLETED"),
    ]
    tasks = "select count(*) from task_run where state_type = 'COMPLETED' and task_key like 'cell%'"
    trials = tables.read_table(tuned / "results/written/trials.parquet").to_pylist()
    searches = {t["search"] for t in trials}
    assert team.asked("prefect", tasks) == [(6 + len(searches),)]

    kind = "select value, count(*) from tags where key = 'kind' group by value"
    found = dict(team.asked("mlflow", kind))
    assert found == {
        "study": 1, "cell": 6, "curve": 3, "search": len(searches), "trial": len(trials),
    }  # fmt: skip
    scores = team.asked("mlflow", "select t.value, m.value from tags t join metrics m"
                        " on m.run_uuid = t.run_uuid where t.key = 'cell' and m.key = 'accuracy'")  # fmt: skip
    whole = {r["cell"]: round(r["accuracy"], 6) for r in rows(tuned) if "hits" in r}
    assert dict(scores) == pytest.approx(whole)

    counted = team.asked("trials", "select s.study_name, count(*) from trials t join studies s"
                         " on s.study_id = t.study_id group by s.study_name")  # fmt: skip
    assert len(trials) == 2 * len(searches) > 0
    assert dict(counted) == dict.fromkeys(searches, 2)


def test_pages_ask_the_server_that_they_come_from(team: Team) -> None:
    api = team.settings["PREFECT_API_URL"]
    with urllib.request.urlopen(f"{api.removesuffix('/api')}/ui-settings", timeout=10) as answer:
        assert json.load(answer)["api_url"] == api


def test_a_model_goes_through_the_artifact_proxy(team: Team, studied: Path, tmp_path: Path) -> None:
    """The client knows no folder of the server: it sends files by HTTP, and gets them back so."""
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    arguments = ["export", "--arm", "tfidf", "--n", "60"]
    done = datayield(folder, *arguments, **team.settings)
    assert done.returncode == 0, done.stderr
    kept = list(team.artifacts.rglob("model.safetensors"))
    assert len(kept) == 1
    assert kept[0].read_bytes() == next(folder.rglob("models/**/model.safetensors")).read_bytes()
    (run,) = team.asked("mlflow", "select artifact_uri from runs limit 1")
    assert run[0].startswith("mlflow-artifacts:/")
    assert team.asked("mlflow", "select name, version from model_versions") == [
        ("datayield-small-written", 1)
    ]
    assert json.loads(next(folder.rglob("models/**/config.json")).read_text())["classes"]
