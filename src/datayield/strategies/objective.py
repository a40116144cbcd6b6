"""How each example counts. Shapes: B examples, T tokens, E embedding, C classes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import lambertw

from datayield.strategies.base import Knob, Strategy, check_number, check_one_of

if TYPE_CHECKING:  # torch is imported where it is used, so that listing strategies does not load it
    import torch

    from datayield.encode import Batch
    from datayield.model import Classifier

XI = 0.1  # length of the first step of VAT's power iteration
MEMORY = 0.9  # of SuperLoss's moving average of the loss


def cross_entropy(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """-sum p log q per example, for target distributions: (B, C), (B, C) -> (B,)."""
    return -(targets * logits.log_softmax(1)).sum(1)


def label_smoothing(epsilon: float = 0.1) -> Strategy:
    """Targets moved towards the uniform distribution.

    Args:
        epsilon: share of a target that is spread over all classes, in [0, 1).
    """
    check_number("epsilon", epsilon, 0, 0.999)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        smooth = (1 - epsilon) * batch.targets + epsilon / batch.targets.shape[1]
        return cross_entropy(model(batch.ids, batch.lengths), smooth), carry

    return Strategy(
        "label_smoothing",
        "labels that leave a part of their weight to all classes",
        objective=objective,
        space=(Knob("epsilon", 0.02, 0.3, log=True),),
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
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        import torch

        pairs, share = _pairs(len(batch.lengths), alpha, rng)
        embedded = model.embed(batch.ids, batch.lengths)
        mixed = share[:, :, None] * embedded + (1 - share[:, :, None]) * embedded[pairs]
        lengths = torch.maximum(batch.lengths, batch.lengths[pairs])  # union of the masks
        targets = share * batch.targets + (1 - share) * batch.targets[pairs]
        return cross_entropy(model.head(model.encode(mixed, lengths)), targets), carry

    return Strategy(
        "mixup_word",
        "trains on mixtures of two texts' word embeddings and labels",
        objective=objective,
        space=(Knob("alpha", 0.1, 1.0, log=True),),
        source="Guo et al. 2019, arXiv 1905.08941",
    )


def mixup_sentence(alpha: float = 1.0) -> Strategy:
    """As `mixup_word`, on the pooled vectors of the two texts.

    Args:
        alpha: > 0; as in `mixup_word`.
    """
    check_number("alpha", alpha, 0.001, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        pairs, share = _pairs(len(batch.lengths), alpha, rng)
        pooled = model.encode(model.embed(batch.ids, batch.lengths), batch.lengths)
        targets = share * batch.targets + (1 - share) * batch.targets[pairs]
        return cross_entropy(
            model.head(share * pooled + (1 - share) * pooled[pairs]), targets
        ), carry

    return Strategy(
        "mixup_sentence",
        "trains on mixtures of two texts' pooled vectors and labels",
        objective=objective,
        space=(Knob("alpha", 0.1, 1.0, log=True),),
        source="Guo et al. 2019, arXiv 1905.08941",
    )


def _pairs(
    count: int, alpha: float, rng: np.random.Generator
) -> "tuple[torch.Tensor, torch.Tensor]":
    """A partner for every example (B,), and the share of the first (B, 1)."""
    from datayield.place import tensor

    pairs = tensor(rng.permutation(count))
    return pairs, tensor(rng.beta(alpha, alpha, count).astype(np.float32))[:, None]


def adversarial(epsilon: float = 5.0) -> Strategy:
    """CE(x) + CE(x + r): r is the step of length epsilon along the gradient of the loss.

    On frequency-normalised embeddings; the gradient is taken over the whole sequence of a text's
    real tokens and r is held constant.

    Args:
        epsilon: Euclidean length of r per text, > 0.
    """
    check_number("epsilon", epsilon, 1e-06, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        import torch

        embedded = model.embed(batch.ids, batch.lengths)
        loss = cross_entropy(model.head(model.encode(embedded, batch.lengths)), batch.targets)
        (gradient,) = torch.autograd.grad(loss.sum(), embedded, retain_graph=True)
        r = epsilon * unit(gradient.detach(), batch.lengths)
        moved = cross_entropy(model.head(model.encode(embedded + r, batch.lengths)), batch.targets)
        return loss + moved, carry

    return Strategy(
        "adversarial",
        "also learns each text with its embeddings moved where the loss grows fastest",
        objective=objective,
        pins=lambda labels: {"normalised": True},
        space=(Knob("epsilon", 0.5, 10.0, log=True),),
        compute="each batch is passed twice",
        effort=2.4,
        source="Miyato et al. 2017, arXiv 1605.07725",
    )


def vat(epsilon: float = 5.0) -> Strategy:
    """CE + KL(p(x) || p(x + r)), r of length epsilon where the prediction changes fastest.

    r comes from a random direction over the real tokens and one power step (xi = 0.1), is held
    constant, and so is p(x). The second term also counts for as many unlabelled texts.

    Args:
        epsilon: Euclidean length of r per text, > 0.
    """
    check_number("epsilon", epsilon, 1e-06, 1000)

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        loss, smooth = _smoothness(model, batch, epsilon, rng)
        for other in unlabelled:
            smooth = smooth + _smoothness(model, other, epsilon, rng)[1].mean()
        return loss + smooth, carry

    return Strategy(
        "vat",
        "predictions that stay the same when embeddings move a little; unlabelled texts too",
        objective=objective,
        unlabelled=True,
        compute="each batch, and one without labels, is passed three times forward, twice back",
        effort=6.0,
        pins=lambda labels: {"normalised": True},
        space=(Knob("epsilon", 0.5, 10.0, log=True),),
        source="Miyato et al. 2017, arXiv 1605.07725",
    )


def _smoothness(
    model: "Classifier", batch: "Batch", epsilon: float, rng: np.random.Generator
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Cross-entropy and KL(p(x) || p(x + r)) per text, (B,) each, with the same dropout throughout."""
    import torch

    from datayield import place

    embedded = model.embed(batch.ids, batch.lengths)
    state = place.random_state()

    def predict(x: torch.Tensor) -> torch.Tensor:
        place.restore(state)  # other dropout would be a larger change than the step
        return model.head(model.encode(x, batch.lengths)).log_softmax(1)

    logs = predict(embedded)
    fixed = logs.detach()
    fixed_input = embedded.detach()
    start = place.tensor(rng.standard_normal(tuple(embedded.shape)).astype(np.float32))
    direction = (XI * unit(start, batch.lengths)).requires_grad_()
    (gradient,) = torch.autograd.grad(
        divergence(fixed, predict(fixed_input + direction)).sum(), direction
    )
    r = epsilon * unit(gradient, batch.lengths)
    return -(batch.targets * logs).sum(1), divergence(fixed, predict(embedded + r))


def divergence(p: "torch.Tensor", q: "torch.Tensor") -> "torch.Tensor":
    """KL(p || q) per row of two log-distributions, (B,)."""
    return (p.exp() * (p - q)).sum(1)


def unit(x: "torch.Tensor", lengths: "torch.Tensor") -> "torch.Tensor":
    """Each text's (T, E) slice with zeros at padding, scaled to Euclidean length 1."""
    from datayield.model import inside

    kept = x * inside(lengths, x.shape[1])[:, :, None]
    scaled: torch.Tensor = kept / kept.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None]
    return scaled


def superloss(strength: float = 1.0, moving: bool = True) -> Strategy:
    """Easy examples count more: min over sigma of (l - tau) sigma + strength (log sigma)^2.

    sigma = exp(-W(max(-2/e, (l - tau) / strength) / 2)) is held constant, W Lambert's function.

    Args:
        strength: > 0; large values leave the loss nearly as it is.
        moving: tau is the moving average of the loss; else log C.
    """
    check_number("strength", strength, 1e-06, 1e06)
    check_one_of("moving", moving, (True, False))

    def objective(
        model: "Classifier", batch: "Batch", unlabelled: "Sequence[Batch]", carry: Any,
        rng: np.random.Generator,
    ) -> "tuple[torch.Tensor, Any]":  # fmt: skip
        from datayield.place import array, tensor

        loss = cross_entropy(model(batch.ids, batch.lengths), batch.targets)
        mean = float(array(loss.mean()))
        tau = np.log(batch.targets.shape[1])
        if moving:
            tau = carry = mean if carry is None else MEMORY * carry + (1 - MEMORY) * mean
        sigma = tensor(confidence(array(loss), tau, strength))
        return (loss - tau) * sigma + strength * sigma.log() ** 2, carry

    return Strategy(
        "superloss",
        "examples with a large loss count less",
        objective=objective,
        space=(Knob("strength", 0.1, 10.0, log=True),),
        source="Castells et al. 2020, NeurIPS",
    )


def confidence(loss: np.ndarray, tau: float, strength: float) -> np.ndarray:
    """SuperLoss's sigma per example, float32 (B,), > 0."""
    # A hair above -2/e, where rounding would leave W's real branch.
    beta = np.maximum(-2 / np.e * (1 - 1e-12), (loss.astype(np.float64) - tau) / strength)
    sigma: np.ndarray = np.exp(-lambertw(beta / 2).real).astype(np.float32)
    return sigma
