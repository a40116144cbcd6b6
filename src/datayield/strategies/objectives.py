"""Computes the loss of each example. Shapes: B examples, T tokens, E embedding, C classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import lambertw

from datayield.models.hooks import cross_entropy
from datayield.strategies.base import Strategy, TunableArgument, check_number, check_one_of

if TYPE_CHECKING:  # torch is imported inside functions, so that listing strategies does not load it
    import torch

    from datayield.models.classifier import Classifier
    from datayield.models.encoding import Batch

XI = 0.1  # length of the first step of VAT's power iteration
MEMORY = 0.9  # weight of the old value in SuperLoss's moving average of the loss


def label_smoothing(epsilon: float = 0.1) -> Strategy:
    """Move the targets towards the uniform distribution.

    Args:
        epsilon: share of a target's weight that is spread over all classes, in [0, 1).
    """
    check_number("epsilon", epsilon, 0, 0.999)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        smooth = (1 - epsilon) * batch.targets + epsilon / batch.targets.shape[1]
        return cross_entropy(model(batch.ids, batch.lengths), smooth), state

    return Strategy(
        "label_smoothing",
        "spreads a part of each label's weight over all classes",
        "label smoothing",
        objective=objective,
        space=(TunableArgument("epsilon", 0.02, 0.3, log=True),),
        source="Szegedy et al. 2016, arXiv 1512.00567",
    )


def mixup_word(alpha: float = 1.0) -> Strategy:
    """Train on mixtures of two texts' word embeddings, padded to the longer of the two.

    loss = m CE(y_i) + (1 - m) CE(y_j), m ~ Beta(alpha, alpha), one m per pair.

    Args:
        alpha: > 0; 1 is the source's uniform mixing, smaller values mix less.
    """
    check_number("alpha", alpha, 0.001, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        import torch

        pairs, share = _pairs(len(batch.lengths), alpha, rng)
        embedded = model.embed(batch.ids, batch.lengths)
        mixed = share[:, :, None] * embedded + (1 - share[:, :, None]) * embedded[pairs]
        lengths = torch.maximum(batch.lengths, batch.lengths[pairs])  # union of the masks
        targets = share * batch.targets + (1 - share) * batch.targets[pairs]
        return cross_entropy(model.head(model.encode(mixed, lengths)), targets), state

    return Strategy(
        "mixup_word",
        "trains on mixtures of two texts' word embeddings and labels",
        "mixup of words",
        objective=objective,
        space=(TunableArgument("alpha", 0.1, 1.0, log=True),),
        source="Guo et al. 2019, arXiv 1905.08941",
    )


def mixup_sentence(alpha: float = 1.0) -> Strategy:
    """Train on mixtures as `mixup_word` does, of the pooled vectors of two texts.

    Args:
        alpha: > 0; see `mixup_word`.
    """
    check_number("alpha", alpha, 0.001, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        pairs, share = _pairs(len(batch.lengths), alpha, rng)
        pooled = model.encode(model.embed(batch.ids, batch.lengths), batch.lengths)
        targets = share * batch.targets + (1 - share) * batch.targets[pairs]
        return cross_entropy(
            model.head(share * pooled + (1 - share) * pooled[pairs]), targets
        ), state

    return Strategy(
        "mixup_sentence",
        "trains on mixtures of two texts' pooled vectors and labels",
        "mixup of sentences",
        objective=objective,
        space=(TunableArgument("alpha", 0.1, 1.0, log=True),),
        source="Guo et al. 2019, arXiv 1905.08941",
    )


def _pairs(
    count: int, alpha: float, rng: np.random.Generator
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return a partner for every example (B,), and the share of the example itself (B, 1)."""
    from datayield.models.device import tensor

    pairs = tensor(rng.permutation(count))
    return pairs, tensor(rng.beta(alpha, alpha, count).astype(np.float32))[:, None]


def adversarial(epsilon: float = 5.0) -> Strategy:
    """Minimise CE(x) + CE(x + r), r the step of length epsilon along the gradient of the loss.

    x are frequency-normalised embeddings. The gradient is taken over all real tokens of a text, and
    r is held constant.

    Args:
        epsilon: Euclidean length of r per text, > 0.
    """
    check_number("epsilon", epsilon, 1e-06, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        import torch

        embedded = model.embed(batch.ids, batch.lengths)
        loss = cross_entropy(model.head(model.encode(embedded, batch.lengths)), batch.targets)
        (gradient,) = torch.autograd.grad(loss.sum(), embedded, retain_graph=True)
        r = epsilon * unit(gradient.detach(), batch.lengths)
        moved = cross_entropy(model.head(model.encode(embedded + r, batch.lengths)), batch.targets)
        return loss + moved, state

    return Strategy(
        "adversarial",
        "also learns each text with its embeddings moved in the direction in which the loss grows fastest",
        "adversarial training",
        objective=objective,
        pins=lambda labels: {"normalised": True},
        space=(TunableArgument("epsilon", 0.5, 10.0, log=True),),
        compute="two forward and two backward passes per batch",
        effort=2.4,
        source="Miyato et al. 2017, arXiv 1605.07725",
    )


def vat(epsilon: float = 5.0) -> Strategy:
    """Minimise CE(x) + KL(p(x) || p(x + r)), r of length epsilon where the prediction changes most.

    r comes from a random direction over the real tokens and one power step (xi = 0.1); r and p(x)
    are held constant. The second term is also computed for as many unlabelled texts.

    Args:
        epsilon: Euclidean length of r per text, > 0.
    """
    check_number("epsilon", epsilon, 1e-06, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        loss, smooth = _smoothness(model, batch, epsilon, rng)
        for other in unlabelled:
            smooth = smooth + _smoothness(model, other, epsilon, rng)[1].mean()
        return loss + smooth, state

    return Strategy(
        "vat",
        "keeps predictions the same when embeddings move a little, also for unlabelled texts",
        "virtual adversarial training",
        objective=objective,
        unlabelled=True,
        compute="three forward and two backward passes per batch, and as many for an unlabelled batch",
        effort=6.0,
        pins=lambda labels: {"normalised": True},
        space=(TunableArgument("epsilon", 0.5, 10.0, log=True),),
        source="Miyato et al. 2017, arXiv 1605.07725",
    )


def _smoothness(
    model: "Classifier", batch: "Batch", epsilon: float, rng: np.random.Generator
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Return cross-entropy and KL(p(x) || p(x + r)) per text, (B,) each, under one dropout mask."""
    import torch

    from datayield.models import device

    embedded = model.embed(batch.ids, batch.lengths)
    state = device.random_state()

    def predict(x: torch.Tensor) -> torch.Tensor:
        device.restore(state)  # another dropout mask would change more than the step does
        return model.head(model.encode(x, batch.lengths)).log_softmax(1)

    logs = predict(embedded)
    fixed = logs.detach()
    fixed_input = embedded.detach()
    start = device.tensor(rng.standard_normal(tuple(embedded.shape)).astype(np.float32))
    direction = (XI * unit(start, batch.lengths)).requires_grad_()
    (gradient,) = torch.autograd.grad(
        divergence(fixed, predict(fixed_input + direction)).sum(), direction
    )
    r = epsilon * unit(gradient, batch.lengths)
    return -(batch.targets * logs).sum(1), divergence(fixed, predict(embedded + r))


def divergence(p: "torch.Tensor", q: "torch.Tensor") -> "torch.Tensor":
    """Return KL(p || q) per row of two log-distributions, (B,)."""
    return (p.exp() * (p - q)).sum(1)


def unit(x: "torch.Tensor", lengths: "torch.Tensor") -> "torch.Tensor":
    """Set padding to zero and scale the (T, E) slice of each text to Euclidean length 1."""
    from datayield.models.classifier import inside

    kept = x * inside(lengths, x.shape[1])[:, :, None]
    scaled: torch.Tensor = kept / kept.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    return scaled


def superloss(strength: float = 1.0, moving: bool = True) -> Strategy:
    """Give easy examples more weight: min over sigma of (l - tau) sigma + strength (log sigma)^2.

    sigma = exp(-W(max(-2/e, (l - tau) / strength) / 2)) is held constant; W is Lambert's function.

    Args:
        strength: > 0; large values change the loss little.
        moving: True: tau is the moving average of the loss; False: tau is log C.
    """
    check_number("strength", strength, 1e-06, 1e06)
    check_one_of("moving", moving, (True, False))

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", state: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        from datayield.models.device import array, tensor

        loss = cross_entropy(model(batch.ids, batch.lengths), batch.targets)
        mean = float(array(loss.mean()))
        tau = np.log(batch.targets.shape[1])
        if moving:
            tau = state = mean if state is None else MEMORY * state + (1 - MEMORY) * mean
        sigma = tensor(confidence(array(loss), tau, strength))
        return (loss - tau) * sigma + strength * sigma.log() ** 2, state

    return Strategy(
        "superloss",
        "gives examples with a large loss less weight",
        "less weight on large losses",
        objective=objective,
        space=(TunableArgument("strength", 0.1, 10.0, log=True),),
        source="Castells et al. 2020, NeurIPS",
    )


def confidence(loss: np.ndarray, tau: float, strength: float) -> np.ndarray:
    """Return SuperLoss's sigma per example, float32 (B,), > 0."""
    # Slightly above -2/e: at -2/e itself rounding would leave the real branch of W.
    beta = np.maximum(-2 / np.e * (1 - 1e-12), (loss.astype(np.float64) - tau) / strength)
    sigma: np.ndarray = np.exp(-lambertw(beta / 2).real).astype(np.float32)
    return sigma
