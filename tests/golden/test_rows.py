"""Results move only on purpose: raise RECIPE (or a strategy's version) and renew golden.json.

    python -m tests.golden.test_rows        # writes golden.json anew

What is compared does not depend on the processor: draws, variants, first weights, batches, pacing
and linear scores exactly; a network's losses and accuracy to what other kernels may change.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from datayield.cells import draws
from datayield.core import seeds
from datayield.core.types import RECIPE, Settings, TrainingProgress, TrainingSet
from datayield.corpora.build import Labelled, build_corpus
from datayield.models import linear
from datayield.models.encoding import Vocabulary, row_stream
from datayield.models.trainer import TrainingHooks, train
from datayield.strategies import registry
from datayield.strategies.base import Rewrite, Strategy
from tests.conftest import written_texts

GOLDEN = Path(__file__).with_name("golden.json")


class Few:
    """A thesaurus of three words."""

    def synonyms(self, word: str) -> tuple[str, ...]:
        return {"rain": ("drizzle", "mist"), "boat": ("sail",), "soup": ("pan",)}.get(word, ())


def _digest(value: object) -> str:
    content = value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def computed() -> dict[str, object]:
    """Everything that is held fixed."""
    texts, labels = written_texts(600)
    corpus = build_corpus("written", Labelled(texts, labels, None, {}, "written"), 0.1, 7)
    sample = draws.Draws(draws.tabulate(corpus, [0], 5, "stratified")).sample(0, 240, 2)
    rows = TrainingSet(
        tuple(corpus.texts[i] for i in sample.train),
        np.eye(3, dtype=np.float32)[corpus.labels[sample.train]],
        np.ones(len(sample.train), np.float32),
        sample.train,
    )
    validation = [corpus.texts[i] for i in sample.validation], corpus.labels[sample.validation]
    names = list(registry.registered())
    made = {
        n: registry.make_strategy(n) for n in names if registry.registered()[n] in registry.OURS
    }
    out: dict[str, object] = {
        "recipe": RECIPE,
        "versions": {n: s.version for n, s in made.items()},
        "corpus": corpus.digest[:16],
        "sample": _digest(np.concatenate([sample.train, sample.validation])),
        "first weights": _digest(seeds.uniform_rows(["rain", "boat"], 8, 1, "init")),
        "vocabulary": _digest(Vocabulary.of(rows.texts).words),
        "batches": _digest(_batches(rows)),
        "variants": {n: _digest(_variants(s.rewrite)) for n, s in made.items() if s.rewrite},
        "pacing": {n: _digest(_shown(s, rows)) for n, s in made.items() if s.schedule},
        "linear": {
            n: _digest(fit(rows, 1).predict(corpus.test_texts).argmax(1))
            for n, fit in linear.FITTERS.items()
        },
    }
    settings = Settings(hidden=8, embedding=8, updates=60, rounds=3, batch=16)
    for name in ("plain", "mixup_word"):
        hooks = TrainingHooks(objective=made[name].objective)
        trained = train(rows, validation, settings, hooks, ("golden",))
        out[f"losses of {name}"] = [round(h.loss, 3) for h in trained.history]
    return out


def _batches(rows: TrainingSet) -> list[list[int]]:
    lengths = np.array([len(t.split()) for t in rows.texts])
    stream = row_stream(np.arange(len(rows)), lengths, 16, seeds.rng("golden"))
    return [next(stream).tolist() for _ in range(40)]


def _variants(rewrite: Rewrite) -> list[list[str]]:
    words = "rain fell on the old boat near the soup".split()
    return [rewrite.write(words, Few(), k, seeds.rng("golden", k)) for k in range(8)]


def _shown(made: Strategy, rows: TrainingSet) -> list[list[int] | None]:
    from dataclasses import replace

    order = seeds.rng("golden").permutation(len(rows))
    ranked = replace(rows, difficulty=(order + 1) / len(rows))
    seen = np.full(rows.targets.shape, np.nan, np.float32)
    pasts = (TrainingProgress(int(p * 20), p, 32, seen) for p in (0.0, 0.1, 0.3, 0.45, 0.5, 0.8))
    shown = (made.schedule(ranked, past, seeds.rng("golden")) for past in pasts)
    return [None if s is None else s.tolist() for s in shown]


def test_rows_move_only_on_purpose() -> None:
    stored, found = json.loads(GOLDEN.read_text()), computed()
    raised = stored["recipe"] != found["recipe"] or stored["versions"] != found["versions"]
    differs = [
        k for k in found if k not in ("recipe", "versions") and not _close(stored[k], found[k])
    ]
    assert not (differs and not raised), (
        f"{differs} moved: raise RECIPE or a version, renew golden.json"
    )
    assert not (raised and not differs), (
        "a version was raised and nothing moved, or golden.json is old"
    )
    assert not raised, "golden.json is of another version: renew it (see above)"


def _close(a: object, b: object) -> bool:
    if isinstance(a, list):
        return a == pytest.approx(b, rel=0.02, abs=0.01)
    return a == b


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(computed(), indent=1, sort_keys=True) + "\n")
