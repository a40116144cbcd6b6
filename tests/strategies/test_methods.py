"""Methods against independent references on small cases: enumeration, formulas, hand-written histories."""

from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy import optimize, sparse, special

from datayield.core.types import Settings, TrainingProgress, TrainingSet
from datayield.corpora.build import Noise
from datayield.models import dynamics, linear
from datayield.models.classifier import Classifier, initialise
from datayield.models.encoding import Vocabulary, batch_of, encode
from datayield.strategies import (
    coverage,
    objectives,
    registry,
    selection,
    self_training,
    uncertainty,
)
from datayield.strategies.augmentation_ops import (
    MARKS,
    OPERATIONS,
    delete_words,
    insert_marks,
    swap_words,
)
from datayield.text.near_duplicates import pairs, shingled
from tests.conftest import written_texts

RNG = np.random.default_rng


def rows_of(labels: list[int], classes: int = 3) -> TrainingSet:
    texts = tuple(f"text {i} of rain and boats" for i in range(len(labels)))
    targets = np.eye(classes, dtype=np.float32)[labels]
    return TrainingSet(texts, targets, np.ones(len(labels), np.float32), np.arange(len(labels)))


# --- selection


def test_el2n_by_hand() -> None:
    rows = rows_of([0, 1])
    given = [np.array([[0.5, 0.5, 0], [0, 1, 0]]), np.array([[1.0, 0, 0], [0.2, 0.2, 0.6]])] * 5

    class StrategyContext:
        def __init__(self) -> None:
            self.left = list(given)

        def fit(self, training_set: TrainingSet, share: float) -> object:
            assert share == 0.1
            p = self.left.pop()
            return type("F", (), {"predict": staticmethod(lambda texts: p)})

    by_hand = [np.sqrt(0.5) / 2, np.sqrt(0.04 + 0.64 + 0.36) / 2]
    assert np.allclose(selection.error_norm(rows, StrategyContext()), by_hand)


def test_forgetting_from_a_written_history() -> None:
    history = [(0, 1), (1, 0), (0, 0), (2, 1), (0, 1), (1, 0), (0, 0), (2, 1)]
    rows, right = np.array(history).T
    assert selection.forgotten(rows, right.astype(bool), 4).tolist() == [2, np.inf, 0, np.inf]


def test_data_map_is_mean_and_deviation() -> None:
    rows, p_label = np.array([0, 1, 0, 1, 0]), np.array([0.1, 0.9, 0.5, 0.9, 0.9])
    mean, sd = dynamics.map_of(rows, p_label, 2)
    assert np.allclose(mean, [0.5, 0.9])
    assert np.allclose(sd, [np.std([0.1, 0.5, 0.9]), 0], atol=1e-7)


def test_ccs_budgets_against_a_direct_transcription() -> None:
    rng = RNG(0)
    for _ in range(30):
        scores = rng.gamma(1.0, size=int(rng.integers(60, 300)))
        count = int(rng.integers(10, len(scores) // 2))
        chosen = selection.stratified(scores, count, 0.1, RNG(1))
        assert len(set(chosen)) == len(chosen) == count
        order = np.argsort(scores, kind="stable")
        left = order[: len(order) - int(0.1 * len(order))]
        assert set(chosen) <= set(left)
        width = (scores[left].max() - scores[left].min()) / 50
        place = np.minimum(((scores[left] - scores[left].min()) / width + 1e-9).astype(int), 49)
        sizes = sorted(n for n in np.bincount(place, minlength=50) if n)
        wanted, given = count, []
        for i, size in enumerate(sizes):
            given.append(min(size, wanted // (len(sizes) - i)))
            wanted -= given[-1]
        taken = np.bincount(place[np.isin(left, chosen)], minlength=50)
        assert sorted(given) == sorted(taken[np.bincount(place, minlength=50) > 0])


def test_ccs_budgets_are_as_even_as_strata_allow() -> None:
    """Brute force: of all ways to share the count out, no stratum could be raised at another's cost."""
    rng = RNG(4)
    for _ in range(40):
        scores = rng.choice(
            [0.0, 0.1, 0.35, 0.6, 1.0], size=int(rng.integers(8, 14)), p=[0.4, 0.3, 0.1, 0.1, 0.1]
        )
        count = int(rng.integers(2, len(scores)))
        chosen = selection.stratified(scores, count, 0.0, RNG(1))
        values, sizes = np.unique(scores, return_counts=True)
        taken = sorted(int((scores[chosen] == v).sum()) for v in values)
        ways = [w for w in product(*(range(n + 1) for n in sizes)) if sum(w) == count]
        fairest = max(sorted(w) for w in ways)  # the smallest as large as it can be, then the next
        assert taken == fairest


def test_minhash_finds_what_exact_jaccard_finds() -> None:
    rng = RNG(3)
    words = [f"word{i}" for i in range(60)]
    texts = [" ".join(rng.choice(words, 14)) for _ in range(150)]
    for i in range(0, 150, 2):  # half of them with a slightly changed copy
        changed = texts[i].split()
        changed[int(rng.integers(14))] = str(rng.choice(words))
        texts.append(" ".join(changed))
    exact = {
        (a, b)
        for a, b in combinations(texts, 2)
        if len(shingled(a) & shingled(b)) >= 0.8 * len(shingled(a) | shingled(b))
    }
    found = {(texts[i], texts[j]) for i, j in pairs(texts)}
    recall, precision = len(found & exact) / len(exact), len(found & exact) / len(found)
    print(f"Jaccard >= 0.8: {len(exact)} pairs, recall {recall:.3f}, precision {precision:.3f}")
    assert len(exact) > 30 and precision == 1 and recall >= 0.95


@pytest.mark.parametrize("noise", [0.2, 0.4])
def test_confident_learning_on_planted_noise(noise: float) -> None:
    rng = RNG(5)
    n, classes = 1500, 3
    truth = rng.integers(0, classes, n)
    labels = np.where(rng.random(n) < noise, (truth + rng.integers(1, classes, n)) % classes, truth)
    logits = 2.5 * np.eye(classes)[truth] + rng.standard_normal((n, classes))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    found = selection.confident_errors(p.astype(np.float32), labels)
    assert set(found) == transcribed_errors(p.astype(np.float32), labels)
    wrong = set(np.flatnonzero(labels != truth))
    precision, recall = len(wrong & set(found)) / len(found), len(wrong & set(found)) / len(wrong)
    print(f"noise {noise:.0%}: precision {precision:.2f}, recall {recall:.2f}")
    assert precision > 0.75 and recall > 0.7


@pytest.mark.parametrize("kind", ["symmetric", "class"])
@pytest.mark.parametrize("share", [0.2, 0.4])
def test_cleaning_finds_planted_noise_in_texts(share: float, kind: str) -> None:
    """The whole strategy: its own out-of-fold models on texts, labels spoilt as the option does it."""
    texts, named = written_texts(900)
    truth = np.array([sorted(set(named)).index(x) for x in named])
    labels = Noise(share, kind).plant(truth, 3, RNG(2))
    rows = TrainingSet(
        tuple(texts), np.eye(3, dtype=np.float32)[labels], np.ones(900, np.float32), np.arange(900)
    )

    class StrategyContext:
        rng = RNG(0)

        def fit(self, part: TrainingSet, kind: str) -> object:
            return linear.tfidf(part, 1)

    kept = registry.make_strategy("clean").transform(rows, StrategyContext()).parents
    found, wrong = (
        set(range(900)) - set(kept.tolist()),
        set(np.flatnonzero(labels != truth).tolist()),
    )
    precision, recall = len(wrong & found) / len(found), len(wrong & found) / len(wrong)
    print(
        f"{kind} noise {share:.0%}: precision {precision:.2f}, recall {recall:.2f}, left out {len(found)}"
    )
    assert precision > 1.5 * share and recall > 0.5


def transcribed_errors(p: np.ndarray, labels: np.ndarray) -> set[int]:
    """The definitions in loops."""
    n, k = p.shape
    t = [np.mean([p[i, j] for i in range(n) if labels[i] == j]) for j in range(k)]
    count = np.zeros((k, k))
    for i in range(n):
        options = [j for j in range(k) if p[i, j] >= t[j]]
        if options:
            count[labels[i], max(options, key=lambda j: p[i, j])] += 1
    joint = np.array([count[i] / count[i].sum() * np.sum(labels == i) for i in range(k)])
    joint /= joint.sum()
    out: set[int] = set()
    for i in range(k):
        for j in range(k):
            if i != j:
                own = [x for x in range(n) if labels[x] == i]
                own.sort(key=lambda x: p[x, i] - p[x, j])
                out |= set(own[: round(n * joint[i, j])])
    return {x for x in out if max(range(k), key=lambda j: p[x, j]) != labels[x]}


def test_a_label_that_its_model_predicts_stays() -> None:
    """cleanlab 2.9.0 (filter_by "prune_by_noise_rate") removes the same rows of both, run by hand."""
    labels, second = np.array([0, 1, 1, 1]), np.array([0.7, 0.6, 0.9, 0.7], np.float32)
    assert selection.confident_errors(np.stack([1 - second, second], 1), labels).tolist() == []
    labels, second = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.9, 0.2, 0.8, 0.05, 0.7])
    p = np.stack([1 - second, second], 1).astype(np.float32)
    assert selection.confident_errors(p, labels).tolist() == [1, 4]


@pytest.mark.parametrize("seed", range(12))
def test_cleaning_never_leaves_out_what_is_predicted(seed: int) -> None:
    rng = RNG(seed)
    n, classes = int(rng.integers(20, 200)), int(rng.integers(2, 5))
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    p = rng.dirichlet(np.ones(classes), n) + 0.4 * np.eye(classes)[rng.permutation(labels)]
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    found = selection.confident_errors(p, labels)
    assert set(found) <= set(np.flatnonzero(p.argmax(1) != labels))
    assert set(found) == transcribed_errors(p, labels)


# --- acquisition


def test_k_center_is_within_twice_the_optimum() -> None:
    rng = RNG(1)
    for _ in range(20):
        points = rng.standard_normal((11, 2)).astype(np.float32)
        apart = np.linalg.norm(points[:, None] - points[None], axis=2)
        best = min(apart[list(c)].min(0).max() for c in combinations(range(11), 3))
        ids, _ = coverage.farthest_first(points, np.array([0]), np.arange(11), 3)
        assert apart[ids].min(0).max() <= 2 * best + 1e-5


def test_lazy_greedy_equals_naive_greedy() -> None:
    rng = RNG(2)
    for _ in range(10):
        points = rng.standard_normal((60, 6)).astype(np.float32)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        similar = coverage.nearest(points)
        full = np.maximum(points @ points.T, 0)
        kept = similar.toarray()
        assert np.allclose(kept[kept > 0], full[kept > 0], atol=1e-5)
        ids, gains = coverage.lazy_greedy(similar, np.array([5]), np.arange(0, 60, 2), 12)
        covered, naive = kept[:, 5].copy(), [5]
        for _ in range(11):
            options = [j for j in range(0, 60, 2) if j not in naive]
            value = [np.maximum(kept[:, j] - covered, 0).sum() for j in options]
            naive.append(options[int(np.argmax(value))])
            covered = np.maximum(covered, kept[:, naive[-1]])
        assert ids.tolist() == naive
        assert (np.diff(gains) <= 1e-9).all()


def test_bald_is_what_dropout_leaves_unsaid() -> None:
    agree = np.tile(np.array([[0.5, 0.5]], np.float32), (20, 1, 1))
    differ = np.stack(
        [np.array([[1.0, 0.0]] if i % 2 else [[0.0, 1.0]], np.float32) for i in range(20)]
    )
    for p, wanted in ((agree, 0.0), (differ, np.log(2))):
        helper = type("F", (), {"sample": staticmethod(lambda texts, passes, p=p: p)})
        assert uncertainty._bald(helper, ["x"])[0] == pytest.approx(wanted, abs=1e-6)


# --- augmentation


class Few:
    def synonyms(self, word: str) -> tuple[str, ...]:
        return {"rain": ("drizzle",), "boat": ("sail", "small ship")}.get(word, ())


WORDS = "the old boat met rain and rain met the boat near some rocks at noon".split()


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.3])
def test_eda_counts_per_operation(alpha: float) -> None:
    n = max(1, int(alpha * len(WORDS)))
    for seed in range(40):
        replaced = OPERATIONS[0](list(WORDS), Few(), alpha, RNG(seed))
        gone = {w for w in set(WORDS) if w not in replaced}
        assert len(gone) == min(n, 2)  # distinct words with synonyms, every occurrence of each
        inserted = OPERATIONS[1](list(WORDS), Few(), alpha, RNG(seed))
        added = len(inserted) - len(WORDS)
        assert n <= added <= 2 * n  # a synonym may be of two words
        swapped = swap_words(list(WORDS), Few(), alpha, RNG(seed))
        assert sorted(swapped) == sorted(WORDS)
        assert sum(a != b for a, b in zip(swapped, WORDS, strict=True)) <= 2 * n
        assert delete_words(list(WORDS), Few(), alpha, RNG(seed))
    kept = [len(delete_words(list(WORDS), Few(), alpha, RNG(s))) for s in range(2000)]
    assert np.mean(kept) == pytest.approx((1 - alpha) * len(WORDS), rel=0.03)


def test_aeda_inserts_within_its_bounds() -> None:
    counts = set()
    for seed in range(300):
        out = insert_marks(list(WORDS), Few(), 0, RNG(seed))
        assert [w for w in out if w not in MARKS] == WORDS
        counts.add(len(out) - len(WORDS))
    assert counts == set(range(1, int(0.3 * len(WORDS)) + 2))


def test_pseudo_labels_are_balanced_and_sure() -> None:
    p = np.array(
        [[0.95, 0.03, 0.02], [0.99, 0.01, 0], [0.91, 0.09, 0], [0.04, 0.96, 0], [0.6, 0.3, 0.1],
         [0.01, 0.94, 0.05], [0.0, 0.2, 0.8]], np.float32)  # fmt: skip
    assert self_training.confident(p, 0.9).tolist() == [
        0,
        1,
        3,
        5,
    ]  # the third class has no sure row
    assert self_training.confident(p, 0.75).tolist() == [1, 3, 6]  # one of each, the surest
    assert self_training.confident(p, 0.999).tolist() == []


# --- order


@pytest.mark.parametrize(
    ("rows", "batch", "pace"), [(400, 32, 0.5), (5000, 32, 0.5), (40, 8, 1.0), (20, 32, 0.3)]
)
def test_competence_grows_by_its_formula(rows: int, batch: int, pace: float) -> None:
    ranked = TrainingSet(
        ("x",) * rows, np.ones((rows, 1), np.float32), np.ones(rows, np.float32), np.arange(rows),
        RNG(0).permutation(rows) / rows + 1 / rows,
    )  # fmt: skip
    schedule = registry.make_strategy("competence", {"pace": pace}).schedule
    c0 = max(0.01, min(1.0, batch / rows))
    for t in np.linspace(0, 0.99, 34):
        shown = schedule(ranked, TrainingProgress(0, float(t), batch, ranked.targets), RNG(0))
        c = min(1.0, np.sqrt(t * (1 - c0**2) / pace + c0**2))
        wanted = np.flatnonzero(ranked.difficulty <= c)
        assert np.array_equal(np.arange(rows) if shown is None else shown, wanted)


def test_ranks_are_a_distribution_of_the_difficulty() -> None:
    rows, values = rows_of([0, 1, 2, 0, 1, 2]), np.array([3.0, 1, 2, 2, 9, 0.5])

    class StrategyContext:
        rng = RNG(0)

        class precomputed:
            @staticmethod
            def difficulty(name: str, ids: np.ndarray) -> np.ndarray:
                return values[ids]

    easy_first = registry.make_strategy("competence").transform(rows, StrategyContext()).difficulty
    hard_first = registry.make_strategy("anti").transform(rows, StrategyContext()).difficulty
    assert sorted(easy_first) == pytest.approx(np.arange(1, 7) / 6)
    assert easy_first[5] == pytest.approx(1 / 6) and easy_first[4] == 1
    assert hard_first[4] == pytest.approx(1 / 6) and hard_first[5] == 1


def test_baby_steps_and_self_paced_follow_their_definitions() -> None:
    rows = rows_of([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    ranked = TrainingSet(
        rows.texts, rows.targets, rows.weights, rows.parents, np.arange(1, 11) / 10
    )
    nothing = np.full(rows.targets.shape, np.nan, np.float32)
    baby = registry.make_strategy("baby_steps", {"buckets": 5, "pace": 0.5}).schedule
    shown = [baby(ranked, TrainingProgress(0, p, 2, nothing), RNG(0)) for p in (0, 0.1, 0.25, 0.4)]
    assert [10 if s is None else len(s) for s in shown] == [2, 4, 6, 10]
    p_label = np.linspace(0.95, 0.05, 10)
    p = (1 - p_label)[:, None] / 2 * np.ones(3)
    p[np.arange(10), rows.targets.argmax(1)] = p_label
    paced = registry.make_strategy("self_paced", {"first": 0.5, "pace": 0.5}).schedule
    assert paced(rows, TrainingProgress(0, 0.0, 2, nothing), RNG(0)) is None
    first = paced(rows, TrainingProgress(1, 0.0, 2, p.astype(np.float32)), RNG(0))
    later = paced(rows, TrainingProgress(1, 0.25, 2, p.astype(np.float32)), RNG(0))
    assert first.tolist() == [0, 1, 2, 3, 4] and len(later) == 7
    assert paced(rows, TrainingProgress(1, 0.5, 2, p.astype(np.float32)), RNG(0)) is None


# --- objectives


@pytest.fixture
def small() -> tuple[Classifier, object]:
    texts = ("rain and wind fell", "a boat", "soup and bread on a plate", "storm at sea")
    rows = TrainingSet(
        texts, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.ones(4, np.float32), np.arange(4)
    )
    vocabulary = Vocabulary.of(texts)
    model = Classifier(
        Settings(hidden=5, embedding=4, embedding_dropout=0.0, dropout=0.0, word_dropout=0.0, embedding_scale=1.0),
        len(vocabulary), 3,
    )  # fmt: skip
    initialise(model, vocabulary, ("k",))
    return model, batch_of(encode(texts, vocabulary, 64), rows, np.arange(4))


@pytest.mark.parametrize("strength", [0.3, 1.0, 5.0])
def test_superloss_sigma_minimises_its_definition(strength: float) -> None:
    tau = 1.0
    losses = np.array([0.01, 0.6, 1.0, 1.7, 4.0], np.float32)
    sigma = objectives.confidence(losses, tau, strength)
    for loss, s in zip(losses, sigma, strict=True):
        if (loss - tau) / strength < -2 / np.e:
            continue  # below, the definition is unbounded and the source clips
        found = optimize.minimize_scalar(
            lambda x, loss=loss: (loss - tau) * np.exp(x) + strength * x**2,
            bounds=(-8, 0.999), method="bounded",
        )  # fmt: skip
        assert s == pytest.approx(np.exp(found.x), rel=2e-3)
    assert (np.diff(sigma) <= 0).all() and sigma[2] == pytest.approx(1)


def test_superloss_sigma_is_lamberts_w() -> None:
    tau, strength = np.log(3), 0.7
    losses = np.linspace(0.0, 6.0, 60).astype(np.float32)
    beta = (losses.astype(np.float64) - tau) / strength
    inside = beta > -2 / np.e + 1e-9
    assert 0 < inside.sum() < len(losses)
    w = special.lambertw(beta[inside] / 2).real
    assert np.allclose(w * np.exp(w), beta[inside] / 2)  # by its own definition
    sigma = objectives.confidence(losses, tau, strength)
    assert np.allclose(sigma[inside], np.exp(-w), rtol=2e-5)
    assert sigma[~inside] == pytest.approx(np.e, rel=1e-4), "clipped: W(-1/e) = -1"


@pytest.mark.parametrize("moving", [True, False])
def test_superloss_by_formula(small: tuple, moving: bool) -> None:
    model, batch = small
    made = registry.make_strategy("superloss", {"strength": 0.7, "moving": moving}).objective
    carry: object = None
    for _ in range(3):  # the moving average takes a tenth of each new mean
        before = carry
        got, carry = made(model, batch, (), carry, RNG(0))
        plain = -(batch.targets * model(batch.ids, batch.lengths).log_softmax(1)).sum(1).detach()
        mean = float(plain.mean())
        tau = np.log(3) if not moving else mean if before is None else 0.9 * before + 0.1 * mean
        sigma = torch.from_numpy(objectives.confidence(plain.numpy(), tau, 0.7))
        assert torch.allclose(got, (plain - tau) * sigma + 0.7 * sigma.log() ** 2, atol=1e-6)
        with torch.no_grad():
            model.linear.bias[0] += 1


@pytest.mark.parametrize("name", ["mixup_word", "mixup_sentence"])
def test_mixup_by_its_formula(small: tuple, name: str) -> None:
    """Pairs and shares as drawn, each text alone, padded to the longer of the two."""
    model, batch = small
    got, _ = registry.make_strategy(name, {"alpha": 0.6}).objective(model, batch, (), None, RNG(7))
    rng = RNG(7)
    partner, share = rng.permutation(4), rng.beta(0.6, 0.6, 4).astype(np.float32)
    for i, (j, m) in enumerate(zip(partner.tolist(), share.tolist(), strict=True)):
        longer = max(int(batch.lengths[i]), int(batch.lengths[j]))
        x = model.embed(batch.ids[[i, j], :longer], batch.lengths[[i, j]])
        if name == "mixup_word":
            pooled = model.encode(m * x[:1] + (1 - m) * x[1:], torch.tensor([longer]))
        else:
            both = model.encode(x, batch.lengths[[i, j]])
            pooled = m * both[:1] + (1 - m) * both[1:]
        logs = model.head(pooled).log_softmax(1)[0].detach()
        p_label = [int(batch.targets[k].argmax()) for k in (i, j)]
        assert got[i].item() == pytest.approx(
            float(-m * logs[p_label[0]] - (1 - m) * logs[p_label[1]]), abs=1e-5
        )


def test_label_smoothing_by_formula(small: tuple) -> None:
    model, batch = small
    loss, _ = registry.make_strategy("label_smoothing", {"epsilon": 0.3}).objective(
        model, batch, (), None, RNG(0)
    )
    logs = model(batch.ids, batch.lengths).log_softmax(1)
    wanted = [-(0.7 * row[y] + 0.1 * row.sum()) for row, y in zip(logs, (0, 1, 2, 0), strict=True)]
    assert torch.allclose(loss, torch.stack(wanted), atol=1e-6)


def test_adversarial_steps_have_their_length_and_raise_the_loss(
    small: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = small
    model.train()
    seen = []
    encode_before = model.encode
    monkeypatch.setattr(model, "encode", lambda x, n: (seen.append(x), encode_before(x, n))[1])
    loss, _ = registry.make_strategy("adversarial", {"epsilon": 0.2}).objective(
        model, batch, (), None, RNG(0)
    )
    r = (seen[1] - seen[0]).detach()
    assert torch.allclose(r.flatten(1).norm(dim=1), torch.full((4,), 0.2), atol=1e-5)
    for i, n in enumerate(batch.lengths):
        assert r[i, n:].abs().sum() == 0
    plain = -(batch.targets * model(batch.ids, batch.lengths).log_softmax(1)).sum(1)
    assert (loss - plain > plain).all()  # each text's moved loss is above its own


def test_vat_goes_where_the_prediction_changes_fastest(small: tuple) -> None:
    model, batch = small
    model.train()
    x = model.embed(batch.ids, batch.lengths).detach()
    fixed = model.head(model.encode(x, batch.lengths)).log_softmax(1).detach()

    def change(d: torch.Tensor) -> torch.Tensor:
        return objectives.divergence(
            fixed, model.head(model.encode(x + d, batch.lengths)).log_softmax(1)
        )

    start = torch.from_numpy(RNG(0).standard_normal(tuple(x.shape)).astype(np.float32))
    d = (0.1 * objectives.unit(start, batch.lengths)).requires_grad_()
    (gradient,) = torch.autograd.grad(change(d).sum(), d)
    i, t, e = 2, 1, 3
    step = torch.zeros_like(x)
    step[i, t, e] = 1e-2
    with torch.no_grad():
        numeric = (change(d + step)[i] - change(d - step)[i]) / 2e-2
        r = 0.5 * objectives.unit(gradient, batch.lengths)
        along, elsewhere = change(r), change(0.5 * objectives.unit(start, batch.lengths))
    assert float(gradient[i, t, e]) == pytest.approx(float(numeric), rel=0.05, abs=1e-5)
    for i, t, e in product(
        range(4), range(3), range(4)
    ):  # every place of the real tokens and padding
        step = torch.zeros_like(x)
        step[i, t, e] = 1e-2
        with torch.no_grad():
            slope = float((change(d + step)[i] - change(d - step)[i]) / 2e-2)
        if t < batch.lengths[i]:
            assert float(gradient[i, t, e]) == pytest.approx(slope, rel=0.1, abs=2e-4)
    kl = [
        objectives.divergence(*torch.randn(2, 50, 3, generator=torch.manual_seed(k)).log_softmax(2))
        for k in range(9)
    ]
    assert all((x >= -1e-6).all() for x in kl)
    assert (along >= 0).all() and along.mean() > elsewhere.mean()
    loss, _ = registry.make_strategy("vat").objective(model, batch, (batch,), None, RNG(0))
    assert loss.shape == (4,) and torch.isfinite(loss).all()


def test_normalised_embeddings_have_mean_zero_and_variance_one(small: tuple) -> None:
    model, batch = small
    counts = torch.tensor([0.0, 1, *range(1, model.embedding.num_embeddings - 1)])
    model.normalise_by(counts)
    model.eval()
    words = torch.arange(1, len(counts))[None, :]
    table = model.embed(words, torch.tensor([len(counts) - 1]))[0]
    weight = (counts / counts.sum())[1:, None]
    assert torch.allclose((weight * table).sum(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose((weight * table**2).sum(0), torch.ones(4), atol=1e-2)
    assert (model.embed(batch.ids, batch.lengths)[1, 2:] == 0).all()


def test_the_gradient_goes_through_the_normalisation(small: tuple) -> None:
    """Every word's embedding moves mean and variance, and so what other words are read as."""
    model, batch = small
    model.double().eval()
    counts = torch.arange(model.embedding.num_embeddings, dtype=torch.float64)
    model.normalise_by(counts)
    pull = torch.randn(*batch.ids.shape, 4, dtype=torch.float64, generator=torch.manual_seed(1))
    table, shares = model.embedding.weight, (counts / counts.sum())[:, None]
    mean = (shares * table).sum(0)
    whole = (table - mean) / ((shares * (table - mean) ** 2).sum(0) + 1e-6).sqrt()
    by_hand = whole[batch.ids] * (batch.ids != 0)[:, :, None]
    embedded = model.embed(batch.ids, batch.lengths)
    assert torch.allclose(embedded, by_hand)
    ours, theirs = (
        torch.autograd.grad((x * pull).sum(), table, retain_graph=True)[0]
        for x in (embedded, by_hand)
    )
    assert torch.allclose(ours, theirs) and (ours[1:].abs().sum(1) > 0).all()


def test_sparse_similarities_keep_memory_linear() -> None:
    points = RNG(0).standard_normal((700, 8)).astype(np.float32)
    similar = coverage.nearest(points)
    assert isinstance(similar, sparse.csc_matrix) and similar.nnz == 700 * (coverage.NEIGHBOURS + 1)
