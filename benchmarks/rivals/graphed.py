"""datayield's network, each update replayed as one CUDA graph per padded length; run by benchmarks/gpu.py.

    python graphed.py TEXTS SEED THREADS cuda [default]

Shows how much of an update on a GPU is the processor's start of kernels: the same training as ours.py but for
padded lengths, which are multiples of 8 so that few graphs are needed.
"""

import time

from datayield import environment

environment.prepare()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from data import BATCH, EMBEDDING, EVERY, HIDDEN, LIMIT, UPDATES, answer, arguments  # noqa: E402
from torch import nn  # noqa: E402

from datayield import encode as texts_of  # noqa: E402
from datayield import place  # noqa: E402
from datayield.model import Classifier  # noqa: E402
from datayield.strategies.objective import cross_entropy  # noqa: E402
from datayield.types import Settings  # noqa: E402

STEP = 8  # padded lengths are multiples of it
RULES = Settings(
    hidden=HIDDEN, embedding=EMBEDDING, batch=BATCH, max_tokens=LIMIT, learning_rate=0.008
)


class Update:
    """Forward, backward, clipping and AdamW on one batch."""

    def __init__(self, model: Classifier) -> None:
        self.model, self.graphs = model, {}
        self.pool = torch.cuda.graph_pool_handle()
        self.rate = torch.tensor(RULES.learning_rate)
        self.optimizer = torch.optim.AdamW(
            model.parameters(), self.rate, weight_decay=RULES.weight_decay, fused=True, capturable=True,
        )  # fmt: skip

    def compute(self, ids: torch.Tensor, lengths: torch.Tensor, targets: torch.Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        cross_entropy(self.model(ids, lengths), targets).mean().backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), RULES.clip)
        self.optimizer.step()

    def __call__(self, *batch: torch.Tensor) -> None:
        shape = batch[0].shape
        if shape not in self.graphs:  # the warm-up that a capture needs is itself an update
            self.graphs[shape] = self.captured([x.clone() for x in batch])
            return
        graph, places = self.graphs[shape]
        for place_of, x in zip(places, batch, strict=True):
            place_of.copy_(x)
        graph.replay()

    def captured(
        self, places: list[torch.Tensor]
    ) -> tuple[torch.cuda.CUDAGraph, list[torch.Tensor]]:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self.compute(*places)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            self.compute(*places)
        return graph, places


def main() -> None:
    texts, seed, _ = arguments()
    place.settle("cuda")
    torch.manual_seed(seed)
    rows, lengths = texts.fixed("train"), np.array([min(LIMIT, len(x)) for x in texts.train])
    targets = np.eye(texts.classes, dtype=np.float32)[texts.labels]
    held = place.tensor(texts.fixed("validation"))
    held_lengths = place.tensor(np.array([min(LIMIT, len(x)) for x in texts.validation]))
    model = Classifier(RULES, texts.words, texts.classes)
    nn.init.normal_(model.embedding.weight, std=RULES.embedding_scale)
    update = Update(model)
    stream = texts_of.row_stream(np.arange(len(rows)), lengths, BATCH, np.random.default_rng(seed))
    tokens, seconds, curve = 0, 0.0, []
    began = time.perf_counter()
    for done in range(1, UPDATES + 1):
        chosen = next(stream)
        width = min(LIMIT, -int(-lengths[chosen].max() // STEP) * STEP)
        update.rate.fill_(RULES.learning_rate * (1 - (done - 1) / UPDATES))
        update(*map(place.tensor, (rows[chosen, :width], lengths[chosen], targets[chosen])))
        tokens += int(lengths[chosen].sum())
        if done % EVERY == 0:
            torch.cuda.synchronize()
            seconds += time.perf_counter() - began
            with torch.no_grad():
                said = place.array(model.eval()(held, held_lengths).argmax(1))
            model.train()
            curve.append((seconds, float((said == texts.validation_labels).mean())))
            began = time.perf_counter()
    answer(tokens, seconds, curve)


if __name__ == "__main__":
    main()
