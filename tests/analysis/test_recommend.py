"""The recommended arm where only the first draws hold folds out."""

from dataclasses import replace
from pathlib import Path

from datayield.analysis import analyse
from datayield.core.rows import read_rows, write_rows
from tests.calibration.simulate import Study, simulate
from tests.report_data import tables

DRAWS, VALIDATED = 6, 2


def test_draws_without_held_out_scores_pick_nothing_and_dilute_nothing(tmp_path: Path) -> None:
    effects = {"strong": 3.0, "tfidf": 0.9}
    params = tables(tmp_path, simulate(Study(draws=DRAWS, effects=effects), seed=2))
    whole = analyse.analyse(params, tmp_path).corpora[0].recommended
    cells, history = (tmp_path / "results/written" / f"{x}.parquet" for x in ("cells", "history"))
    rows = [
        r
        if r.cell.draw < VALIDATED
        else replace(r, validation_accuracy=float("nan"), validation_macro_f1=float("nan"))
        for r in read_rows(cells, history)
    ]
    write_rows(rows, cells, history)
    partly = analyse.analyse(params, tmp_path).corpora[0].recommended
    assert [r.n for r in partly] == [r.n for r in whole]
    for r in partly:
        assert r.leads.of == VALIDATED and r.within.draws == VALIDATED
        assert r.arm == "lstm:strong" and r.within.estimate > 0.03, "a pick in two of two draws"
        assert r.difference is not None and r.difference.draws == DRAWS, "the test has every draw"
