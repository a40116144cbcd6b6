"""Draws that are added at looks: the level is shared, and every arm keeps the claims of its last look."""

from dataclasses import replace

import numpy as np
import pytest

from datayield.analysis import claims
from datayield.analysis.frame import Frame
from datayield.analysis.looks import LooksTaken, at_look, judged_at, level_of
from tests.analysis.test_statistics import study_frame


def taken(**changes: object) -> LooksTaken:
    whole = LooksTaken((3, 6), 1, "last look", {}, 0, 0.95, 0.01)
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("looks", [2, 3, 5, 8])
def test_looks_share_the_level_of_the_study(looks: int) -> None:
    parts = [1 - level_of(k, looks, 0.9) for k in range(looks)]
    assert sum(parts) == pytest.approx(0.1) and parts == sorted(parts) and parts[0] > 0


def test_a_look_knows_its_own_draws_only() -> None:
    f = study_frame(a=2.0)
    early = at_look(f, taken(), 0)
    assert {m.draws for m in early.scores.values()} == {(0, 1, 2)} and early.level > 0.95
    whole = f.scores["lstm:a", 200]
    kept = early.scores["lstm:a", 200]
    assert np.array_equal(kept.values, whole.values[:3]) and kept.cells == 3
    later = replace(taken(), first=2)  # draws are numbered from 2
    assert {m.draws for m in at_look(f, later, 0).scores.values()} == {(0, 1, 2, 3, 4)}


def test_an_arm_has_the_claims_of_the_look_that_settled_it() -> None:
    f = study_frame(a=3.0, b=1.0)
    looks = taken(settled={"lstm:a": 0})
    rows, means = claims.claims(replace(f, looks=looks, level=looks.levels[1]))
    first = claims.claims(at_look(f, looks, 0))
    assert [d for d in rows if d.arm == "lstm:a"] == [d for d in first[0] if d.arm == "lstm:a"]
    assert next(d for d in means if d.arm == "lstm:a").difference.draws == 3
    later = next(d for d in means if d.arm == "lstm:b")
    assert later.difference.draws == 6 and later.claim.tests == 6, "lstm:a stays in the family"
    assert later.difference.level == looks.levels[1]
    assert [d.arm for d in rows] == sorted(d.arm for d in rows)
    assert judged_at(looks, 1, f.names) == ["lstm:b", "lstm:plain", "lstm:twin"]


def test_strategies_that_go_on_do_not_share_out_the_level_of_those_that_do_not() -> None:
    """Which arms go on depends on the data; the planted fault would be a family of the lucky ones."""
    f = study_frame(a=3.0, b=1.0, c=1.0)
    whole = {d.arm: d.claim for d in claims.claims(f)[1]}
    few = {d.arm: d.claim for d in claims._family(f, ["lstm:a", "lstm:c"])[1]}
    assert few["lstm:a"] is None and few["lstm:c"] is None
    assert few["lstm:b"].tests == whole["lstm:b"].tests == 9
    assert few["lstm:b"].p >= whole["lstm:b"].p
    assert few["lstm:b"].interval == whole["lstm:b"].interval


def _verdicts(f: Frame, resolution: float) -> list[str]:
    return claims.settled(at_look(f, taken(), 1), resolution)


def test_what_settles_a_strategy() -> None:
    f = study_frame(good=4.0, useless=1.0)
    assert "lstm:good" in _verdicts(f, 1e-6), "claimed to help"
    assert "lstm:useless" not in _verdicts(f, 1e-6), "too small to be excluded or seen"
    assert _verdicts(f, 0.5) == ["lstm:good", "lstm:useless"], "so large a gain is excluded"
    assert "lstm:twin" not in _verdicts(f, 0.5), "a check waits for no verdict"
    assert claims.settled(at_look(f, taken(), 1), 0.5, ["lstm:good"]) == ["lstm:useless"]
