import tracemalloc
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datayield.core.types import Settings, TrainingSet
from datayield.models.batch_sampler import BatchSampler
from datayield.models.encoding import SPECIAL, Vocabulary, by_length, encode, numbered, row_stream
from datayield.text import tokens


@given(st.integers(1, 90), st.integers(1, 40), st.integers(0, 5))
def test_each_pass_shows_every_row_once(rows: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, rows)
    stream = row_stream(np.arange(rows), lengths, size, np.random.default_rng(seed))
    batches = [next(stream) for _ in range(12 * rows // min(size, rows) + 2)]
    assert all(len(b) == min(size, rows) for b in batches)
    counts = np.bincount(np.concatenate(batches), minlength=rows)
    # Batches of a window are shuffled, so the edge of a pass is blurred by one window.
    assert counts.max() - counts.min() <= 2


@given(st.lists(st.integers(1, 64), min_size=1, max_size=60))
def test_scoring_batches_cover_all_within_the_budget(lengths: list[int]) -> None:
    sizes = np.array(lengths)
    batches = list(by_length(sizes, 128))
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(b) * sizes[b].max() <= 128 for b in batches)


def test_bucketing_saves_padding_and_keeps_mixing() -> None:
    lengths = np.random.default_rng(0).integers(2, 60, 800)
    stream = row_stream(np.arange(800), lengths, 32, np.random.default_rng(1))
    batches = [next(stream) for _ in range(200)]
    real = sum(lengths[b].sum() for b in batches) / sum(lengths[b].max() * 32 for b in batches)
    assert real > 0.75
    mates = {frozenset(b) for b in batches}
    assert len(mates) == len(batches)


def test_texts_beyond_the_limit_are_cut_and_empty_ones_unknown() -> None:
    vocabulary = Vocabulary.of(["a b c d"])
    encoded = encode(["a b c d", "", "zzz a"], vocabulary, 3)
    assert encoded.lengths.tolist() == [3, 1, 2]
    assert encoded.flat[encoded.starts[1]] == 1
    assert encoded.flat[encoded.starts[2]] == 1


@given(
    st.lists(st.lists(st.sampled_from("rain Boat don't <unk> , 雨 é soup".split()), max_size=9)),
    st.integers(1, 6),
    st.integers(1, 3),
)
def test_one_pass_numbers_texts_as_two_would(lines: list[list[str]], most: int, least: int) -> None:
    """Words are counted in whole texts, and only the first `most` tokens of each are read."""
    texts = [" ".join(line) for line in lines]
    counts = Counter(token for line in texts for token in tokens.tokens(line))
    vocabulary, encoded = numbered(iter(texts), most, least)
    assert vocabulary.words == (*SPECIAL, *sorted(w for w, c in counts.items() if c >= least))
    again = encode(texts, vocabulary, most)
    assert all(
        np.array_equal(getattr(encoded, part), getattr(again, part))
        for part in ("flat", "starts", "lengths")
    )
    first, rest = encoded.split(len(texts) // 2)
    assert len(first) + len(rest) == len(texts) and first.flat is encoded.flat


def test_presentations_take_memory_for_rows_and_not_for_classes() -> None:
    rows, classes, batches = 32, 2000, 40
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, rows)
    training_set = TrainingSet(
        ("a",) * rows, np.eye(classes, dtype=np.float32)[labels], np.ones(rows), np.arange(rows)
    )
    ones = np.ones(rows, np.int64)
    sampler = BatchSampler(training_set, ones, Settings(), None, ("key",))
    order = np.arange(rows)
    shown = [rng.random((rows, classes), np.float32) for _ in range(batches)]
    tracemalloc.start()
    try:
        for p in shown:
            sampler.record_predictions(order, p.copy())
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 3 * rows * classes * 4, "less than three batches' probabilities are kept of forty"
    found = sampler.presentations()
    assert np.array_equal(found.p_label, np.concatenate([p[order, labels] for p in shown]))
    assert np.array_equal(found.predicted, np.concatenate([p.argmax(1) for p in shown]))
    assert np.array_equal(found.correct, found.predicted == np.tile(labels, batches))
