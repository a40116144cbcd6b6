from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datayield.cells.draws import FOLDS, Draws, permutation, tabulate, thin_classes
from datayield.core.types import Corpus
from datayield.corpora.build import Labelled, build_corpus, split


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Corpora of two to four unbalanced classes in which some texts occur several times."""
    sizes = draw(st.lists(st.integers(30, 120), min_size=2, max_size=4))
    copies = draw(st.integers(0, 20))
    texts = [f"text {c} {i}" for c, size in enumerate(sizes) for i in range(size)]
    labels = [f"class {c}" for c, size in enumerate(sizes) for _ in range(size)]
    texts += [t.upper() + " " for t in texts[:copies]]
    labels += labels[:copies]
    loaded = Labelled(texts, labels, None, {}, "f")
    return build_corpus("c", loaded, 0.1, draw(st.integers(0, 9)))


@settings(max_examples=40, deadline=None)
@given(corpora(), st.integers(0, 3), st.sampled_from(["stratified", "iid"]))
def test_every_text_once_and_units_on_one_side(corpus: Corpus, draw: int, sampling: str) -> None:
    ids, folds, _ = permutation(corpus, draw, 1, sampling)
    assert sorted(ids) == list(range(len(corpus.texts)))
    for unit in np.unique(corpus.duplicate_groups):
        places = np.flatnonzero(corpus.duplicate_groups[ids] == unit)
        assert np.array_equal(places, np.arange(places[0], places[0] + len(places)))
        assert len(set(folds[places])) == 1


@settings(max_examples=40, deadline=None)
@given(corpora(), st.integers(20, 60))
def test_prefixes_and_folds_are_stratified(corpus: Corpus, n: int) -> None:
    ids, folds, strata = permutation(corpus, 0, 1, "stratified")
    _, first = np.unique(corpus.duplicate_groups, return_index=True)
    if len(first) < len(corpus.duplicate_groups):
        return  # counts are exact in units; with duplicates they are not in texts
    shares = np.bincount(corpus.labels) / len(corpus.labels)
    for c, share in enumerate(shares):
        own = corpus.labels[ids[:n]] == c
        assert abs(own.sum() - share * n) <= 1.5
        assert np.ptp(np.bincount(folds[:n][own], minlength=FOLDS)) <= 1
    assert np.array_equal(strata, corpus.labels[ids])


def test_samples_are_nested_and_parts_stay(corpus: Corpus) -> None:
    draws = Draws(tabulate(corpus, [0, 1], 3, "stratified"))
    for fold in range(FOLDS):
        small, large = draws.sample(0, 60, fold), draws.sample(0, 240, fold)
        assert set(small.train) <= set(large.train)
        assert set(small.validation) <= set(large.validation)
        assert not set(large.train) & set(large.validation)
        assert len(large.rest) == len(corpus.texts) - 240
        everything = draws.sample(0, 240)
        assert set(everything.train) == {*large.train, *large.validation}
        assert not len(everything.validation)
    other = draws.sample(1, 60)
    assert set(small.train) != set(other.train)


def test_thin_classes_are_named(corpus: Corpus) -> None:
    assert "fewer than 5 examples of harbour, kitchen, weather" in thin_classes(corpus, 6)
    draws = Draws(tabulate(corpus, [0], 3, "stratified"))
    assert all(len(draws.sample(0, 6, fold).train) == 6 for fold in range(FOLDS))
    assert thin_classes(corpus, 30) is None


def test_folds_cover_the_labels(corpus: Corpus) -> None:
    draws = Draws(tabulate(corpus, [0], 3, "stratified"))
    held = [set(draws.sample(0, 120, fold).validation) for fold in range(FOLDS)]
    assert len(set.union(*held)) == sum(map(len, held)) == 120


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(0, 3), st.sampled_from(["stratified", "iid"]), st.booleans())
def test_no_group_spans_two_folds(
    data: st.DataObject, draw: int, sampling: str, grown: bool
) -> None:
    """Texts of one customer share a fold, in every prefix; the order of the draw is that without groups."""
    count = data.draw(st.integers(120, 240))
    texts = [f"text {i // 2 if i % 7 == 0 else i}" for i in range(count)]  # some are copies
    labels = [f"class {i % 3}" for i in range(count)]
    customers = data.draw(st.lists(st.integers(-5, 30), min_size=count, max_size=count))
    assume(max(np.bincount(np.array(customers) + 5)[5:], default=0) <= 20)  # a pool is left
    groups = [f"customer {c}" if c >= 0 else "" for c in customers]
    settled = count - 40 if grown else count
    corpus, alone = (
        build_corpus("c", Labelled(texts, labels, None, {}, "f", groups=g), 0.2, 1, settled=settled)
        for g in (groups, [""] * count)
    )
    assert (alone.blocks == alone.duplicate_groups).all()
    ids, folds, _ = permutation(corpus, draw, 1, sampling)
    place = {text: group for text, group in zip(texts, groups, strict=True) if group}
    fold_of: dict[str, set[int]] = {}
    for i, fold in zip(ids, folds, strict=True):
        if corpus.texts[i] in place:
            fold_of.setdefault(place[corpus.texts[i]], set()).add(int(fold))
    assert all(len(x) == 1 for x in fold_of.values())
    blockless = replace(corpus, blocks=corpus.duplicate_groups)
    assert np.array_equal(ids, permutation(blockless, draw, 1, sampling)[0])
    drawn = Draws(tabulate(corpus, [draw], 1, sampling))
    for fold in range(FOLDS):
        sample = drawn.sample(draw, 50, fold)
        train, held = (corpus.blocks[x] for x in (sample.train, sample.validation))
        assert not set(train) & set(held)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(4, 40), min_size=2, max_size=4), st.integers(0, 5))
def test_split_keeps_units_whole(sizes: list[int], seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    duplicate_groups = np.arange(len(labels)) // 2 * 2  # pairs, some across classes
    in_test = split(duplicate_groups, labels, 0.2, np.random.default_rng(seed))
    for unit in np.unique(duplicate_groups):
        assert len(set(in_test[duplicate_groups == unit])) == 1
    assert 0 < in_test.sum() < len(labels)
