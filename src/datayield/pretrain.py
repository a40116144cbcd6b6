"""Language models of unlabelled texts: trained, kept in `state/pretrained/`, asked to fill in words.

Axes as in `model`: B texts, T tokens, V words.
"""

import hashlib
import json
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import nn

from datayield import seeds, table
from datayield.encode import (
    PAD,
    UNKNOWN,
    Encoded,
    Vocabulary,
    by_length,
    encode,
    numbered,
    padded,
    row_stream,
)
from datayield.errors import UserError
from datayield.language import INPUT, TASKS, Network
from datayield.model import initialise
from datayield.place import array, settled, tensor
from datayield.types import RECIPE, Ints, Settings

VERSION = 2  # raised with the versions of the strategies that read, when the models are to change
MIN_COUNT = 2  # rarer words are unknown: nothing is learnt about them
SHAPE = (
    "cell", "embedding", "hidden", "bidirectional", "embedding_scale", "max_tokens", "normalised"
)  # fmt: skip
BATCH = 32
RATE = 0.004
SCORED = 1024  # tokens that are read at once when nothing is learnt
PREDICTED = 256  # places whose words are predicted at once
Arrays: TypeAlias = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A finished language model.

    `weights` are the classifier's parameters by name; `words` is its vocabulary; `loss` the mean
    loss per word of the last pass, in nats.
    """

    settings: Settings
    vocabulary: Vocabulary
    counts: Ints  # (V,) occurrences in the texts
    arrays: Arrays  # parameters of model and softmax
    tokens: int  # that training read
    seconds: float
    loss: float

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, special words first."""
        return self.vocabulary.words

    @property
    def weights(self) -> Arrays:
        """What a classifier starts from."""
        own = {k.removeprefix("body."): v for k, v in self.arrays.items()}
        return {k: v for k, v in own.items() if k.startswith(("embedding.", "recurrent.0."))}

    def save(self, path: Path) -> None:
        """One safetensors file; counts, vocabulary and cost beside the arrays."""
        arrays: dict[str, NDArray[Any]] = {**self.arrays, "counts": self.counts}
        told = {
            "words": self.words,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "loss": self.loss,
        }
        told["sha256"] = _sum(arrays, told)
        content = save(arrays, {"reader": json.dumps(told)})
        table.write_bytes(content, path)

    @classmethod
    def load(cls, path: Path, settings: Settings) -> "Reader":
        """What `save` stored.

        Raises:
            UserError: when the file is damaged.
        """
        try:
            with safe_open(path, "np") as stored:
                told = json.loads(stored.metadata()["reader"])
                arrays = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118
            kept = told.pop("sha256", None)  # files of earlier versions have none
            if kept is not None and kept != _sum(arrays, told):
                raise ValueError("its checksum does not fit its content")
            counts, words = arrays.pop("counts"), tuple(told["words"])
            costs = told["tokens"], told["seconds"], told["loss"]
        except (SafetensorError, KeyError, TypeError, ValueError) as e:
            raise UserError(f"{path} is damaged ({e}). Delete it; it is made again.") from e
        vocabulary = Vocabulary.listed(words)
        return cls(settings, vocabulary, counts, arrays, *costs)

    def fill(
        self, lines: Sequence[Sequence[str]], drawn: Sequence[Mapping[int, float]]
    ) -> list[list[str]]:
        """Texts whose words at some places are drawn anew from p(word | left, right).

        The two directions are combined as log p(w | left) + log p(w | right) - log p(w); a word is
        never replaced by itself or by an unknown word. Places beyond what is read stay.

        Args:
            lines: texts; equal ones are read once.
            drawn: per text, place -> a number in [0, 1) that decides the word: the smallest one
                whose cumulative probability is above.
        """
        distinct = list(dict.fromkeys(tuple(x) for x in lines))
        number = {line: i for i, line in enumerate(distinct)}
        waiting: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for i, (line, own) in enumerate(zip(lines, drawn, strict=True)):
            for t, u in own.items():
                waiting.setdefault((number[tuple(line)], t), []).append((i, u))
        out = [list(line) for line in lines]
        for read_as, t, cumulative in self._distributions(distinct, waiting):
            for i, u in waiting[read_as, t]:
                word = int(np.searchsorted(cumulative, u * cumulative[-1], side="right"))
                out[i][t] = self.words[word]
        return out

    def _distributions(
        self, lines: Sequence[Sequence[str]], places: Collection[tuple[int, int]]
    ) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """(line, place, cumulative weight of every word (V,)) for places (line, place) that are read."""
        network = Network(self.settings, len(self.vocabulary))
        network.load_state_dict({k: tensor(v) for k, v in self.arrays.items()})
        if self.settings.normalised:
            network.body.normalise_by(tensor(self.counts).float())
        network.eval()
        unigram = tensor((self.counts + 1) / (self.counts + 1).sum()).log().float()
        encoded = encode([" ".join(x) for x in lines], self.vocabulary, self.settings.max_tokens)
        by_line: dict[int, list[int]] = {}
        for line, t in sorted(places):
            if t < encoded.lengths[line]:
                by_line.setdefault(line, []).append(t)
        for rows in by_length(encoded.lengths, SCORED):
            ids, lengths = padded(encoded, rows)
            wanted = [(row, t) for row, line in enumerate(rows) for t in by_line.get(int(line), ())]
            for start in range(0, len(wanted), PREDICTED):
                row, t = tensor(np.array(wanted[start : start + PREDICTED])).T
                logs = network.around(ids, lengths, row, t, unigram)
                logs[:, [PAD, UNKNOWN]] = -torch.inf
                logs[torch.arange(len(row)), ids[row, t]] = -torch.inf
                sums = array(logs.double().softmax(1).cumsum(1))
                for r, place, cumulative in zip(row.tolist(), t.tolist(), sums, strict=True):
                    yield int(rows[r]), place, cumulative


def _sum(arrays: Mapping[str, NDArray[Any]], told: Mapping[str, Any]) -> str:
    """A checksum of arrays with their names and of what is told beside them."""
    found = hashlib.sha256(table.canonical(told).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def read(
    texts: Sequence[str], settings: Settings, task: str, passes: int, key: tuple[seeds.Key, ...]
) -> Reader:
    """Train a language model.

    Args:
        texts: without labels.
        settings: widths of the classifier that will start from it.
        task: "next" or "again".
        passes: over the texts.
        key: every random number derives from it.
    """
    began = time.perf_counter()
    torch.manual_seed(seeds.integer(*key, "dropout"))
    vocabulary, encoded, counts = _by_frequency(texts, settings.max_tokens)
    network = Network(settings, len(vocabulary))
    initialise(network.body, vocabulary, (*key, "init"))
    if settings.normalised:
        network.body.normalise_by(tensor(counts).float())
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.0, fused=True)
    stream = row_stream(np.arange(len(texts)), encoded.lengths, BATCH, seeds.rng(*key, "batches"))
    per_pass = max(1, len(texts) // BATCH)
    losses, tokens = [], 0
    for update in range(passes * per_pass):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - update / (passes * per_pass))
        rows = next(stream)
        loss = TASKS[task](network.train(), *padded(encoded, rows))
        tokens += int(encoded.lengths[rows].sum())
        if loss is None:
            continue
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    arrays = {k: array(v) for k, v in network.state_dict().items()}
    last = float(np.mean(losses[-per_pass:])) if losses else float("nan")
    seconds = time.perf_counter() - began
    return Reader(settings, vocabulary, counts, arrays, tokens, seconds, last)


def kept(
    texts: Sequence[str],
    shape: Mapping[str, Any],
    task: str,
    passes: int,
    key: tuple[seeds.Key, ...],
    root: Path,
) -> tuple[Reader, bool]:
    """The language model from `state/pretrained/`, trained first where it is not there yet.

    Args:
        texts: as in `read`.
        shape: the settings named in SHAPE.
        task: as in `read`.
        passes: as in `read`.
        key: as in `read`.
        root: the project folder.

    Returns:
        The model, and whether it was trained now.
    """
    how = [RECIPE, VERSION, torch.__version__, *settled()]
    recipe = [how, shape, task, passes, list(key), list(texts)]
    name = table.digest(recipe)[:32]
    path = root / "state" / "pretrained" / f"{name}.safetensors"
    settings = Settings(**shape, embedding_dropout=INPUT)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # another worker may be training the same one
        missing = not path.exists()
        if missing:
            read(texts, settings, task, passes, key).save(path)
    return Reader.load(path, settings), missing


def _by_frequency(texts: Sequence[str], max_tokens: int) -> tuple[Vocabulary, Encoded, Ints]:
    """The texts in words numbered by frequency (the softmax's head holds the first), and their counts.

    All tokens are counted, `max_tokens` of each text are encoded.
    """
    by_name, whole = numbered(texts, sys.maxsize, MIN_COUNT)
    counts = np.bincount(whole.flat, minlength=len(by_name))
    order = np.concatenate([[PAD, UNKNOWN], 2 + np.argsort(-counts[2:], kind="stable")])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    vocabulary = Vocabulary.listed([by_name.words[i] for i in order])
    encoded = Encoded(place[whole.flat], whole.starts, np.minimum(whole.lengths, max_tokens))
    return vocabulary, encoded, counts[order].astype(np.int64)
