"""Registers exported models in MLflow.

Apart from `mlflow_runs`, because `mlflow.pyfunc` takes seconds to import, which no study should wait for.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from datayield.core.errors import UserError
from datayield.core.system import services
from datayield.core.types import Row
from datayield.integrations import mlflow_client, mlflow_runs
from datayield.models.saved import format, saved_network, served

EXAMPLE = "a text to be labelled"
NEEDED = ("mlflow", "numpy", "pandas", "pyarrow", "safetensors")
NEEDED_BY = {saved_network.NETWORK: ("torch",)}
NEEDED_BY_LINEAR = ("scikit-learn", "scipy")


def register(folder: Path, row: Row, family: str, root: Path) -> tuple[str, str, bool]:
    """Register an exported model as a new version, linked to its cell's run.

    Args:
        folder: the one that `datayield export` wrote.
        row: the cell; logged first if it is not in MLflow yet.
        family: the family of its corpus.
        root: the project folder.

    Returns:
        Name and version of the registered model, and whether the version is new: the same model
        (`format.content_digest`) is registered once.

    Raises:
        UserError: when MLflow cannot be reached or refuses.
    """
    try:
        return _register(folder, format.read_config(folder), row, family, root)
    except UserError:
        raise
    except Exception as e:  # MLflow's stores raise what their backends raise
        raise UserError(
            f"{folder} is written, but MLflow at {mlflow_client.uri(root)} does not register it: it"
            f" {services.log_fault(e, mlflow_client.uri(root))}. Then run the same command again, or leave it"
            " out: --no-register."
        ) from e


def _register(
    folder: Path, config: dict[str, Any], row: Row, family: str, root: Path
) -> tuple[str, str, bool]:
    client = mlflow_client.client(root)
    name = f"datayield-{config['study']}-{config['corpus']}"
    own = tags(config)
    for known in client.search_model_versions(f"name = '{name}'"):
        # Versions that were registered by earlier datayields have no tag "content".
        if any(known.tags.get(tag) == own[tag] for tag in ("content", "sha256")):
            return name, str(known.version), False
    log = mlflow_runs.Log(config["study"], root)
    log.add(row, family)
    model = _logged(client, folder, config, log.experiment, log.run_of(row.key))
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    with _named(mlflow_client.uri(root)):
        made = client.create_model_version(
            name,
            source=f"models:/{model}",
            run_id=log.run_of(row.key),
            tags=own,
            description=(folder / format.CARD).read_text(encoding="utf-8"),
            model_id=model,
        )
    return name, str(made.version), True


@contextmanager
def _named(uri: str) -> Iterator[None]:
    """Set MLFLOW_TRACKING_URI, where MLflow's registry looks a model up whatever its client says."""
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = uri
    try:
        yield
    finally:
        if before is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _logged(
    client: MlflowClient, folder: Path, config: dict[str, Any], experiment: str, run: str
) -> str:
    """Log a new model with its files, as an output of the run; return its id."""
    name = str(config["arm"]).replace(":", " ")
    params = {k: str(config[k]) for k in ("corpus", "arm", "n", "draw", "seed")}
    model = client.create_logged_model(experiment, name, run, params=params)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            saved = Path(temporary) / "model"
            _save(saved, folder, config, model, run)
            client.log_model_artifacts(model.model_id, str(saved))
    except BaseException:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, step=0)])
    scores = {k: v for k, v in config["scores"].items() if v is not None}
    metrics = [Metric(k, v, 0, 0, model_id=model.model_id, run_id=run) for k, v in scores.items()]
    client.log_batch(run, metrics=metrics)
    return str(model.model_id)


def _save(path: Path, folder: Path, config: dict[str, Any], model: LoggedModel, run: str) -> None:
    """Save the model in MLflow's form, by a `loader_module`, which needs no pickle."""
    data = path.with_name("exported")
    shutil.copytree(folder, data)
    mlflow.pyfunc.save_model(
        path,
        loader_module=served.__name__,
        data_path=str(data),
        code_paths=[str(Path(format.__file__).parents[2])],
        mlflow_model=Model(
            artifact_path=model.artifact_location,
            model_uuid=model.model_id,
            run_id=run,
            model_id=model.model_id,
        ),
        signature=signature(config),
        input_example=pd.DataFrame({"text": [EXAMPLE]}),
        pip_requirements=requirements(config["kind"]),
    )


def tags(config: dict[str, Any]) -> dict[str, str]:
    """Return the tags of a version, which the registry's page shows next to its card."""
    chosen = config["choice"]
    return {
        **{
            k: str(config[k])
            for k in ("arm", "n", "draw", "seed", "cell", "data_digest", "licence")
        },
        chosen["metric"]: f"{chosen['score']:.4f}",
        "test_accuracy": f"{config['scores']['accuracy']:.4f}",
        "test_macro_f1": f"{config['scores']['macro_f1']:.4f}",
        "sha256": config["sha256"]["this"],
        "content": format.content_digest(config),
    }


def signature(config: dict[str, Any]) -> ModelSignature:
    """Return the signature: a text in; its label and one score per class out."""
    label, *scores = served.columns_of(config)
    return ModelSignature(
        inputs=Schema([ColSpec("string", "text")]),
        outputs=Schema([ColSpec("string", label), *(ColSpec("double", c) for c in scores)]),
    )


def requirements(kind: str) -> list[str]:
    """Return the packages that a model of this kind needs, pinned; datayield itself comes as code."""
    needed = (*NEEDED, *NEEDED_BY.get(kind, NEEDED_BY_LINEAR))
    return [f"{p}=={version(p).partition('+')[0]}" for p in needed]
