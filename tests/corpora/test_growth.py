"""A corpus grows: test texts stay test texts, draws stay prefixes, cells serve again, nothing leaks."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datayield import config, corpora
from datayield.cells.draws import Draws, permutation, tabulate
from datayield.config import FileSource, own_data
from datayield.config.own_data import OwnStudyOptions
from datayield.core.errors import UserError
from datayield.core.types import Corpus
from datayield.corpora import growth, incoming, placement
from datayield.corpora.build import Labelled, build_corpus, duplicate_groups_of
from datayield.corpora.input_files import InputFiles, corpus_entry
from datayield.corpora.loaders import file
from datayield.study import data_stages, grid, new_project
from datayield.text import tokens
from tests.conftest import write_csv, written_texts


def placed(
    texts: list[str],
    labels: list[str],
    settled: int | None = None,
    share: float = 0.2,
    groups: list[str] | None = None,
    times: list[float] | None = None,
) -> placement.Placement:
    numbers = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    prints = [tokens.fingerprint(t).hex() for t in texts]
    to_place = placement.TextsToPlace(
        prints,
        duplicate_groups_of(texts),
        numbers,
        groups,
        None if times is None else np.array(times, float),
    )
    return placement.place(to_place, share, len(texts) if settled is None else settled, 7)


@st.composite
def files(draw: st.DrawFn) -> tuple[list[str], list[str], list[str]]:
    """Texts of which some are copies of others, their labels, and a group for each."""
    count = draw(st.integers(60, 160))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    texts = [f"text {seed} {i}" for i in rng.integers(0, count, count)]
    labels = [f"class {c}" for c in rng.integers(0, 3, count)]
    groups = [f"user {g}" if g else "" for g in rng.integers(0, count // 3, count)]
    return texts, labels, groups


@settings(max_examples=40, deadline=None)
@given(files(), st.integers(50, 59), st.booleans())
def test_test_texts_stay_when_rows_follow(
    rows: tuple[list[str], list[str], list[str]], before: int, grouped: bool
) -> None:
    texts, labels, groups = rows
    groups = groups if grouped else [""] * len(texts)
    old = placed(texts[:before], labels[:before], groups=groups[:before])
    grown = placed(texts, labels, settled=before, groups=groups)
    assert np.array_equal(grown.in_test[:before], old.in_test), "the division stays as it is"
    assert not grown.in_test[before:].any() and not grown.waits[:before].any()
    if grouped:
        return
    renewed = placed(texts, labels)
    assert renewed.in_test[:before][old.in_test].all(), "settled again, by the same hashes"
    order = np.random.default_rng(1).permutation(len(texts))
    shuffled = placed([texts[i] for i in order], [labels[i] for i in order])
    one, other = (
        {t for t, side in zip(x, p.in_test, strict=True) if side}
        for x, p in ((texts, renewed), ([texts[i] for i in order], shuffled))
    )
    assert len(one ^ other) <= 6, "at most the block that a class needs"


@settings(max_examples=40, deadline=None)
@given(files(), st.integers(30, 200), st.booleans())
def test_no_copy_and_no_group_lies_on_both_sides(
    rows: tuple[list[str], list[str], list[str]], settled: int, timed: bool
) -> None:
    texts, labels, groups = rows
    times = list(np.random.default_rng(3).integers(0, 30, len(texts))) if timed else None
    found = placed(texts, labels, settled, 0.2, groups, times)
    in_pool = ~found.in_test & ~found.waits
    pool, test = np.flatnonzero(in_pool), np.flatnonzero(found.in_test)
    assert {texts[i] for i in pool}.isdisjoint(texts[i] for i in test)
    assert {groups[i] for i in pool}.isdisjoint(groups[i] for i in test if groups[i])
    later = pool[pool >= settled]
    assert {texts[i] for i in later}.isdisjoint(texts[i] for i in pool[pool < settled])


def test_the_share_holds_on_average_and_each_class_is_tested() -> None:
    texts = [f"text {i}" for i in range(6000)]
    labels = ["rare"] * 12 + ["common"] * 5988
    found = placed(texts, labels, share=0.1)
    assert abs(found.in_test.mean() - 0.1) < 0.02
    for share in (0.05, 0.5):
        rare = placed(texts, labels, share=share).in_test[:12]
        assert 1 <= rare.sum() < 12
    large = placed(texts, labels, share=0.2)
    assert not (found.in_test & ~large.in_test)[12:].any(), "a larger share adds texts"


def test_the_newest_are_tested() -> None:
    texts = [f"text {i}" for i in range(100)]
    labels = [f"class {i % 2}" for i in range(100)]
    days = [float(d) for d in np.random.default_rng(0).permutation(100)]
    found = placed(texts, labels, share=0.2, times=days)
    assert sorted(d for d, t in zip(days, found.in_test, strict=True) if t) == list(range(80, 100))
    more = placed(
        [*texts, "text new", "text old", texts[0]],
        [*labels, "class 0", "class 0", "class 0"],
        100,
        0.2,
        times=[*days, 200.0, 3.5, 3.0],
    )
    assert np.array_equal(more.in_test[:100], found.in_test)
    assert list(more.waits[100:]) == [True, False, True]  # newer, older, a copy


def built(texts: list[str], labels: list[str], settled: int, name: str = "c") -> Corpus:
    return build_corpus(name, Labelled(texts, labels, None, {}, "f"), 0.3, 7, None, settled)


@pytest.mark.parametrize("sampling", ["stratified", "iid"])
def test_an_earlier_draw_begins_the_later_one(sampling: str) -> None:
    texts, labels = written_texts(420)
    old, grown = built(texts[:400], labels[:400], 400), built(texts, labels, 400)
    assert list(grown.test_texts) == list(old.test_texts) and grown.settled == len(old.texts)
    assert grown.test_digest == old.test_digest and grown.digest != old.digest
    for draw in (-1, 0, 5):
        before, after = permutation(old, draw, 1, sampling), permutation(grown, draw, 1, sampling)
        for a, b in zip(before, after, strict=True):
            assert np.array_equal(a, b[: len(a)])
        assert sorted(after[0]) == list(range(len(grown.texts)))


def test_one_changed_text_changes_few_samples() -> None:
    texts, labels = written_texts(400)
    old = built(texts, labels, 400)
    place = texts.index(old.texts[100])
    new = built([*texts[:place], "quite another text", *texts[place + 1 :]], labels, 400)
    same = 0
    for draw in range(20):
        a, b = (
            {c.texts[i] for i in permutation(c, draw, 1, "stratified")[0][:60]} for c in (old, new)
        )
        same += len(a & b) >= 58
    assert same == 20
    assert len(set(new.test_texts) ^ set(old.test_texts)) <= 1


def test_a_settled_corpus_is_stored(tmp_path: Path) -> None:
    texts, labels = written_texts(200)
    corpus = built(texts, labels, 180)
    corpora.save(corpus, {}, tmp_path)
    loaded = corpora.checked(tmp_path)
    assert loaded.settled == corpus.settled > 0 and loaded.test_digest == corpus.test_digest
    drawn = Draws(tabulate(loaded, [0], 3, "stratified"))
    assert set(drawn.first(0, loaded.settled)) == set(range(loaded.settled))


# ---- files
def entry_of(path: Path, **options: str) -> FileSource:
    source = corpus_entry(InputFiles([str(path)], **options))[0]
    assert isinstance(source, FileSource)
    return source


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_grown_files_are_recognised(tmp_path: Path, ending: str) -> None:
    lines = ["body,stars", *(f"text number {i},{'ab'[i % 2]}" for i in range(200))]
    path = tmp_path / "a.csv"
    newline = ending or "\n"

    def written(rows: list[str]) -> FileSource:
        path.write_bytes((newline.join(rows) + ending).encode())
        return entry_of(path, text="body", label="stars")

    earlier = written(lines).model_copy(update={"test_share": 0.4})
    assert earlier.settled == 200
    more = [f"new text {i},a" for i in range(100)]
    few = growth.continued(written([*lines, *more[:50]]), earlier, Path())
    assert (few.settled, few.test_share) == (200, 0.4)
    assert "50 later texts" in growth.sentences("a", few, earlier, 250)[0]
    many = growth.continued(written([*lines, *more[:51]]), earlier, Path())
    assert (many.settled, many.test_share) == (251, 0.4)
    middle = growth.continued(written([lines[0], more[0], *lines[1:]]), earlier, Path())
    assert (middle.settled, middle.test_share) == (201, 0.4)
    same = growth.continued(written(lines), earlier, Path())
    assert same == earlier and not growth.sentences("a", same, earlier, 200)


def test_groups_and_moments_are_read(tmp_path: Path) -> None:
    texts, labels = written_texts(120)
    rows = [
        {"body": t, "stars": x, "user": f"u{i % 40}", "day": f"2026-01-{i % 28 + 1:02d} 10:00"}
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    source = entry_of(path, text="body", label="stars", group="user")
    corpus, card = corpora.build("a", source, 7, Path())
    user = {r["body"]: r["user"] for r in rows}
    assert {user[t] for t in corpus.texts}.isdisjoint(user[t] for t in corpus.test_texts)
    assert card["settled texts of the pool"] == len(corpus.texts)
    timed = entry_of(path, text="body", label="stars", time="day")
    corpus, _ = corpora.build("a", timed, 7, Path())
    day = {r["body"]: r["day"] for r in rows}
    assert max(day[t] for t in corpus.texts) < min(day[t] for t in corpus.test_texts)
    path.write_text(path.read_text().replace("2026-01-05 10:00", "5.1.26", 1))
    with pytest.raises(UserError, match=r"line 5: column \"day\" says '5.1.26', wanted a date"):
        entry_of(path, text="body", label="stars", time="day")
    with pytest.raises(UserError, match="nothing to decide"):
        corpus_entry(InputFiles([str(path)], "body", "stars", test=[str(path)], group="user"))


# ---- a study of a file that grows
def test_a_file_of_a_thousand_rows_grows(tmp_path: Path) -> None:
    """1,000 rows become 1,050: every test text stays one, and the cells that read no more serve again."""
    texts, labels = written_texts(1050)
    path, folder = tmp_path / "reviews.csv", tmp_path / "study"
    said: list[str] = []

    def study(count: int) -> tuple[Corpus, dict[str, set[str]]]:
        write_csv(path, texts[:count], labels[:count])
        options = OwnStudyOptions("reviews", None, 3)
        new_project.create_own_project(InputFiles([str(path)]), options, folder, said.append)
        params = config.load(folder / "params.yaml")
        corpus, _ = corpora.build("reviews", params.corpora["reviews"], params.study.seed, folder)
        sampled = data_stages.sampled(params, corpus)
        names = (
            "neighbours",
            "vectors",
            "difficulties",
            "outside-encoder",
            "outside-encoder-tokens",
        )
        tables = dict.fromkeys(names, corpus.digest)
        scope = grid.Scope("reviews", len(corpus.texts), corpus.digest, tables, "cpu", sampled)
        chosen = {
            str(n): {
                str(a): {grid.ALL: {}} for a, _ in grid.arms_and_budgets(params, scope.pool)[0]
            }
            for _, n in grid.arms_and_budgets(params, scope.pool)[0]
        }
        keys: dict[str, set[str]] = {}
        for cell in grid.make_grid(params, scope, chosen).cells:
            keys.setdefault(str(cell.arm), set()).add(cell.key)
        return corpus, keys

    old, before = study(1000)
    new, after = study(1050)
    assert list(new.test_texts) == list(old.test_texts)
    assert any("50 later texts are drawn after the 1,000 settled ones" in s for s in said)
    shared = {arm: len(before[arm] & after[arm]) for arm in before}
    for arm in ("lstm:twin", "lstm:repeat", "nbsvm", "majority", "lstm:plain*2"):
        assert shared[arm] == len(before[arm]) == len(after[arm]), arm
    assert shared["lstm:plain"] >= 0.7 * len(before["lstm:plain"])
    assert shared["lstm:eda_nn"] == 0, "its thesaurus was made from the pool"
    renewed, _ = study(1050)
    assert renewed.digest == new.digest
    kept = config.load(folder / "params.yaml").corpora["reviews"]
    assert (kept.settled, kept.test_share) == (1000, own_data.test_share(1000, None))


def test_all_labels_of_a_source_with_its_own_test_set_stay(tmp_path: Path) -> None:
    texts, labels = written_texts(300)
    train = write_csv(tmp_path / "train.csv", texts[:200], labels[:200])
    held = write_csv(tmp_path / "held.csv", texts[200:], labels[200:])
    source = file.describe(train, "body", "stars", "utf-8", None, [], [held])
    corpus, _ = corpora.build("c", source, 7, Path())
    assert len(corpus.test_texts) == 100 and corpus.settled == len(corpus.texts) == 200


def test_a_refresh_keeps_the_division_of_the_earlier_texts(tmp_path: Path) -> None:
    texts, labels = written_texts(400)
    path, folder = write_csv(tmp_path / "a.csv", texts[:200], labels[:200]), tmp_path / "study"
    new_project.create_own_project(
        InputFiles([str(path)]), OwnStudyOptions("a", None, 2), folder, lambda _: None
    )

    def refreshed(count: int) -> tuple[FileSource, Corpus, str]:
        write_csv(path, texts[:count], labels[:count])
        taken = incoming.take_in(folder, time.time() + 60).taken
        params = config.load(folder / "params.yaml")
        source = params.corpora["a"]
        assert isinstance(source, FileSource)
        return source, corpora.build("a", source, params.study.seed, folder)[0], " ".join(taken)

    first = refreshed(200)[1]
    source, corpus, said = refreshed(240)
    assert source.settled == 200 and "40 later texts are drawn after the 200 settled" in said
    assert list(corpus.test_texts) == list(first.test_texts)
    source, corpus, said = refreshed(400)
    assert source.settled == 400 and "test texts stay test texts" in said
    assert set(first.test_texts) < set(corpus.test_texts)
