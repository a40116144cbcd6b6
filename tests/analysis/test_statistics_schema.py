"""The typed contract between analysis and report: statistics.json, its schema and its reader."""

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest

from datayield.analysis import statistics as stored_statistics
from datayield.analysis.statistics import StudyStatistics
from datayield.analysis.typed_json import from_json, schema, to_json
from datayield.core import files
from datayield.core.errors import UserError
from tests.analysis.test_tuning_gain import searched, trials
from tests.conftest import REPO
from tests.report_data import statistics

SCHEMA = REPO / "docs" / "statistics.schema.json"


@pytest.fixture(scope="module")
def s() -> StudyStatistics:
    return statistics({"strong": 3.0, "untuned": 0.6}, twin=1.0, trials=trials(searched()))


def plain(s: StudyStatistics) -> Any:
    return json.loads(json.dumps(to_json(s), allow_nan=False))


def test_the_committed_schema_is_the_one_of_the_classes() -> None:
    wanted = json.dumps(schema(StudyStatistics), indent=1, ensure_ascii=False) + "\n"
    assert SCHEMA.read_text(encoding="utf-8") == wanted, (
        "the statistics changed; run `python -m tests.analysis.test_statistics_schema`, and raise VERSION in"
        " analysis/statistics.py if a reader of older files would misread them"
    )


def test_real_statistics_follow_the_schema_and_nothing_else_does(s: StudyStatistics) -> None:
    known = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(known)
    jsonschema.validate(plain(s), known)
    for change in (
        lambda j: j["corpora"][0].pop("recommended"),
        lambda j: j["corpora"][0]["scores"][0].update(n="200"),
        lambda j: j.update(other=1),
    ):
        wrong = plain(s)
        change(wrong)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, known)
        with pytest.raises(ValueError, match="StudyStatistics"):
            from_json(StudyStatistics, wrong)


def test_what_is_written_is_read_back(s: StudyStatistics, tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    stored_statistics.write(s, path)
    assert stored_statistics.read(path) == s


def test_a_file_of_another_version_or_shape_is_refused(s: StudyStatistics, tmp_path: Path) -> None:
    path = tmp_path / "statistics.json"
    stored_statistics.write(replace(s, version=4), path)
    with pytest.raises(UserError, match="has version 4, expected 10"):
        stored_statistics.read(path)
    wrong = plain(s)
    wrong["corpora"][0]["scores"][0]["score"]["estimate"] = "much"
    files.write_json(wrong, path)
    with pytest.raises(
        UserError, match=r"corpora\[0\].scores\[0\].score.estimate: expected .*number"
    ):
        stored_statistics.read(path)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True), (int, 1.0), (float, "1"), (str, None), (bool, 1), (tuple[int, str], [1]),
        (tuple[int, ...], 1), (Literal["a", "b"], "c"), (int | None, "x"),
    ],
)  # fmt: skip
def test_values_of_another_type_are_refused(kind: Any, value: Any) -> None:
    from datayield.analysis.typed_json import _build

    with pytest.raises(ValueError, match="at: expected"):
        _build(kind, value, "at")


def test_importances_keep_their_order_in_the_file(tmp_path: Path) -> None:
    """The report shows the five largest, also of a file whose keys are sorted by name."""
    shares = {
        "model.z": 0.4,
        "model.y": 0.3,
        "model.c": 0.1,
        "model.b": 0.1,
        "model.x": 0.05,
        "model.a": 0.05,
    }
    rows = [{**r, "importances": json.dumps(shares)} for r in searched()]
    path = tmp_path / "statistics.json"
    stored_statistics.write(statistics({}, trials=trials(rows)), path)
    tuning = stored_statistics.read(path).corpora[0].tuning
    assert tuning is not None
    assert [name for name, _ in tuning.importances[0].shares][:2] == ["model.z", "model.y"]


def test_every_field_is_reached_by_these_statistics(s: StudyStatistics) -> None:
    """A class that no test fills would be checked by nothing."""
    seen: set[type] = set()

    def walk(value: Any) -> None:
        if is_dataclass(value):
            seen.add(type(value))
            for f in fields(value):
                walk(getattr(value, f.name))
        for inner in value.values() if isinstance(value, dict) else ():
            walk(inner)
        for inner in value if isinstance(value, tuple) else ():
            walk(inner)

    walk(s)
    rare = {
        "AcrossFamilies", "FamilyDifference", "FamilySummary", "FamilyVerdict", "LeftOutFamily",
        "PublishedRow", "SharedTexts",  # several corpora: test_across.py, test_report.py
        "FailedCell", "UnbalancedArm", "ControlDifference", "Interaction", "RisingArm", "ChangedVerdict",
        "ChangedPick", "ArchitectureRow", "Doubling", "LooksTaken", "RaceTaken", "RankedArm", "RoundTaken",
        "CollapsedTraining", "LabelExchange",  # test_collapses.py, test_label_exchange.py
    }  # fmt: skip
    assert set(schema(StudyStatistics)["$defs"]) - rare <= {kind.__name__ for kind in seen}


if __name__ == "__main__":
    made = json.dumps(schema(StudyStatistics), indent=1, ensure_ascii=False) + "\n"
    SCHEMA.write_text(made, encoding="utf-8")
