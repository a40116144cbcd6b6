"""Training dynamics and hardest texts: what is kept, carried along and shown."""

import csv
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from datayield.analysis import text_findings
from datayield.analysis.text_statements import DataMap, WrongTestTexts
from datayield.analysis.typed_json import to_json
from datayield.cells import draws
from datayield.cells.context import CorpusTables
from datayield.cells.run import run_cell
from datayield.cells.store import dumps, loads
from datayield.core import dynamics_rows, tables
from datayield.core.rows import pack_predicted
from datayield.core.types import Cell, Corpus, Dynamics, Row, Settings
from datayield.corpora.build import Labelled, Noise, build_corpus
from datayield.models import dynamics
from datayield.models.hooks import NOTHING_SHOWN, Presentations
from datayield.report.render import render
from datayield.study import arms
from tests.conftest import written_texts
from tests.report_data import sections, statistics, with_corpus


def same(a: Dynamics | None, b: Dynamics | None) -> bool:
    if a is None or b is None:
        return a is b
    return all(
        np.array_equal(getattr(a, k), getattr(b, k))
        for k in ("ids", "presentations", "confused_with")
    ) and all(
        np.allclose(getattr(a, k), getattr(b, k), atol=1e-6)
        for k in ("confidence", "variability", "correctness")
    )


def test_variants_count_for_their_text() -> None:
    parents = np.array([7, 3, 7])
    rows = np.array([0, 1, 2, 0])
    said = np.array([2, 1, 1, 1])
    shown = Presentations(
        rows, np.array([0.2, 0.9, 0.3, 0.4]), np.array([False, True, False, False]), said
    )
    found = dynamics.dynamics_of(shown, parents)
    assert found is not None
    assert found.ids.tolist() == [3, 7] and found.presentations.tolist() == [1, 3]
    assert np.allclose(found.confidence, [0.9, 0.3]) and found.correctness.tolist() == [1, 0]
    assert np.allclose(found.variability, [0, np.std([0.2, 0.3, 0.4])], atol=1e-7)
    assert found.confused_with.tolist() == [-1, 1]
    assert dynamics.dynamics_of(NOTHING_SHOWN, parents) is None


def test_pooled_is_what_all_presentations_together_say() -> None:
    rng = np.random.default_rng(3)
    rows, p_label = rng.integers(0, 20, 400), rng.random(400)
    said = rng.integers(0, 3, 400)
    correct = said == 0
    parents = np.arange(20) * 5

    def of(part: slice) -> Dynamics:
        made = dynamics.dynamics_of(
            Presentations(rows[part], p_label[part], correct[part], said[part]), parents
        )
        assert made is not None
        return made

    whole, parts = of(slice(None)), text_findings.pooled([of(slice(0, 150)), of(slice(150, None))])
    parts = replace(
        parts, confused_with=whole.confused_with
    )  # a vote of votes, not of presentations
    assert same(whole, parts)


@pytest.fixture(scope="module")
def noisy() -> tuple[Corpus, np.ndarray]:
    """900 texts of three classes, a tenth of the labels wrong; and which are."""
    labels_of = written_texts(900)
    clean, wrong = (
        build_corpus(
            "written", Labelled(*labels_of, None, {}, "written"), 0.1, 7, Noise(share, "symmetric")
        )
        for share in (0.0, 0.1)
    )
    assert clean.texts == wrong.texts
    return wrong, np.flatnonzero(clean.labels != wrong.labels)


def trained(corpus: Corpus, arm: str = "lstm:plain") -> Row:
    drawn = draws.Draws(draws.tabulate(corpus, [0], 5, "stratified"))
    data = CorpusTables(corpus, drawn, Path())  # no arm here reads a table
    settings = Settings(hidden=16, embedding=16, updates=150, batch=32)
    parsed = arms.parse_arm(arm)
    chosen = {"model": asdict(settings)} if parsed.strategies else {}
    identity = {"study_seed": 5, "data": corpus.digest}
    return run_cell(Cell("written", 600, parsed, 0, 0, chosen, identity), data)


@pytest.fixture(scope="module")
def row(noisy: tuple[Corpus, np.ndarray]) -> Row:
    return trained(noisy[0])


def test_what_is_not_learnt_is_mostly_labelled_wrong(
    noisy: tuple[Corpus, np.ndarray], row: Row
) -> None:
    corpus, planted = noisy
    assert row.dynamics is not None and len(row.dynamics) == row.n_train
    labels = [corpus.classes[k] for k in corpus.labels]
    found = [
        x
        for x in text_findings.hardest_training(row.dynamics, labels, corpus.classes)
        if x.list == "not learnt"
    ]
    assert len(found) == 10
    assert sum(x.id in planted for x in found) >= 9
    assert all(x.confused_with != x.label for x in found)


def test_a_linear_arm_shows_nothing(noisy: tuple[Corpus, np.ndarray]) -> None:
    assert trained(noisy[0], "tfidf").dynamics is None


def test_the_store_and_the_table_carry_them(row: Row, tmp_path: Path) -> None:
    assert same(loads(dumps(row)).dynamics, row.dynamics)
    bare = replace(row, dynamics=None)
    assert "dynamics" not in dumps(bare) and loads(dumps(bare)).dynamics is None
    path = tmp_path / "dynamics.parquet"
    other = replace(row, key="b" + row.key)
    dynamics_rows.write_dynamics([other, bare, row], path)
    first = path.read_bytes()
    back = dynamics_rows.attach_dynamics([bare, replace(other, dynamics=None)], path)
    assert all(same(r.dynamics, row.dynamics) for r in back)
    dynamics_rows.write_dynamics(back, path)
    assert path.read_bytes() == first
    assert len(tables.read_table(path, dynamics_rows.DYNAMICS)) == 2 * row.n_train


def test_the_hardest_test_texts_by_hand() -> None:
    truth = np.array([0, 1, 0, 1])

    def line(arm: str, predicted: list[int], n: int = 10) -> dict:
        said = np.array(predicted)
        return {
            "arm": arm, "n": n, "cell": arm, "accuracy": float((said == truth).mean()),
            "predicted": pack_predicted(said),
        }  # fmt: skip

    lines = [
        line("a", [0, 0, 0, 1]), line("a", [0, 0, 1, 1]), line("a", [0, 0, 1, 1]),
        line("b", [0, 0, 0, 1]), line("majority", [0, 0, 0, 0]), line("check", [1, 0, 1, 0]),
        line("a", [1, 1, 0, 1], n=99),
    ]  # fmt: skip
    roles = {"a": "plain", "b": "strategy", "majority": "baseline", "check": "check"}
    told, found = text_findings.hardest_test(lines, roles, 0.5, truth, ["no", "yes"])
    assert told == WrongTestTexts(10, 2, 1, 4)
    assert [(x.id, x.arms_wrong) for x in found] == [(1, 2), (2, 1)]
    assert found[0].confused_with == "no" and found[0].agree == 1
    assert found[1].cells_wrong == pytest.approx(1 / 3)


def test_equally_hard_test_texts_are_led_by_those_whose_wrong_answers_agree() -> None:
    truth = np.array([0, 0, 1, 1])
    lines = [
        {
            "arm": arm,
            "n": 10,
            "cell": arm,
            "accuracy": 0.9,
            "predicted": pack_predicted(said),
        }
        for arm, said in (("a", np.array([1, 2, 1, 1])), ("b", np.array([2, 2, 1, 1])))
    ]
    roles = {"a": "plain", "b": "strategy"}
    _, found = text_findings.hardest_test(lines, roles, 0.5, truth, ["x", "y", "z"])
    assert [(x.id, x.confused_with, x.agree) for x in found] == [(1, "z", 1.0), (0, "y", 0.5)]


def test_shortened_texts_stay_texts() -> None:
    assert text_findings.shortened("a\n\tb\x00\u202e\u2066c") == "a b c".replace(" c", "c")
    long = text_findings.shortened("x" * 5_000)
    assert len(long) == text_findings.LENGTH + 1 and long.endswith("…")
    assert text_findings.shortened("نص عربي") == "نص عربي"


def test_hostile_texts_are_shown_as_text() -> None:
    s = statistics(effects={"useless": 1.0})
    evil = "=HYPERLINK(1)<script>alert(1)</script> | [x](y)"
    first, *others = s.corpora[0].hard_training_texts
    s = with_corpus(s, hard_training_texts=[replace(first, text=evil), *others])
    files = render(s)
    html = str(files["index.html"])
    assert "<script>alert" not in html and "\u2068=HYPERLINK(1)&lt;script&gt;" in html
    assert "<script>" not in str(files["report.md"])
    rows = list(csv.DictReader(io.StringIO(str(files["tables/hardest.csv"]))))
    assert rows[0]["text"] == f"'{evil}" and rows[1]["text"] == "words of pool text 20"
    assert {r["list"] for r in rows} == {"not learnt", "ambiguous", "test"}
    assert "figures/written-map.svg" in files and 'aria-label="Data map of written' in html


@pytest.mark.parametrize("how", ["shown", "hidden"])
def test_hidden_texts_are_nowhere(how: str) -> None:
    s = statistics(effects={"useless": 1.0}, shown=how)
    files = render(s)
    told = json.dumps(to_json(s)) + "".join(v for v in files.values() if isinstance(v, str))
    for text in ("words of test text", "words of pool text", "<b>rain"):
        assert (text in told) == (how == "shown")
    said = str(files["index.html"])
    assert ("The texts themselves are hidden" in said) == (how == "hidden")
    head = str(files["tables/hardest.csv"]).splitlines()[0].split(",")
    assert ("text" in head) == (how == "shown") and "id" in head


def test_cells_from_before_are_told() -> None:
    s = statistics(effects={"useless": 1.0})
    drawn = s.corpora[0].map
    s = with_corpus(s, map=DataMap("lstm:plain", 1600, 0, 6), hard_training_texts=[])
    section = next(x for x in sections(s) if x.title.startswith("Data map"))
    assert section.paragraphs[0].startswith("No data map: the 6 draws of lstm:plain at 1,600")
    assert not section.pictures and len(section.tables) == 1
    s = with_corpus(s, map=replace(drawn, draws=4))
    section = next(x for x in sections(s) if x.title.startswith("Data map"))
    assert "as 4 draws (of 6; the others were computed before) met them" in section.paragraphs[0]


def test_a_table_without_a_line_holds_no_cell() -> None:
    """Of studies that were computed before dynamics were kept."""
    assert dynamics_rows.dynamics_by_cell(dynamics_rows.DYNAMICS.empty_table()) == {}
