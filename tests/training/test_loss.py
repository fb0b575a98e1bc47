from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit.core.errors import InputError
from gazekit.training import emd_loss, evaluate

HAND = [
    pytest.param([1, 0, 0, 0], [0, 0, 0, 1], 1, 3 / 4, id="ends-r1"),
    pytest.param([1, 0, 0, 0], [0, 0, 0, 1], 2, (3 / 4) ** 0.5, id="ends-r2"),
    pytest.param([0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], 1, (0.5 + 0.5) / 4, id="shift-r1"),
    pytest.param([0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0], 2, (0.5 / 4) ** 0.5, id="shift-r2"),
    pytest.param([0.2, 0.8], [0.7, 0.3], 2, (0.25 / 2) ** 0.5, id="two-buckets"),
    pytest.param([0.2, 0.8], [0.7, 0.3], 3, (0.125 / 2) ** (1 / 3), id="cubed"),
]


@pytest.mark.parametrize(("p", "q", "r", "expected"), HAND)
def test_equals_the_value_by_hand(p: list[float], q: list[float], r: int, expected: float) -> None:
    loss = emd_loss(torch.tensor([p], dtype=torch.float64), torch.tensor([q], dtype=torch.float64), r)
    assert float(loss) == pytest.approx(expected, abs=1e-9)


def test_the_root_is_taken_for_each_picture() -> None:
    p = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0]])
    q = torch.tensor([[0.0, 0, 0, 1], [1, 0, 0, 0]])
    assert float(emd_loss(p, q)) == pytest.approx((0.75**0.5 + 0) / 2, abs=1e-6)  # over the batch it would be .612
    assert emd_loss(p, q, reduction="none").shape == (2,)


@pytest.mark.parametrize("r", [1, 1.5, 2, 3])
def test_the_gradient_is_finite_where_both_are_equal(r: float) -> None:
    logits = torch.zeros(3, 10, requires_grad=True)
    emd_loss(torch.softmax(logits, 1), torch.full((3, 10), 0.1), r).backward()
    assert torch.isfinite(logits.grad).all()


def test_descent_ends_at_the_truth() -> None:
    truth = torch.tensor([[0.1, 0.2, 0.4, 0.2, 0.1]])
    logits = torch.zeros(1, 5, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        emd_loss(torch.softmax(logits, 1), truth).backward()
        optimizer.step()
    assert torch.softmax(logits, 1).detach().numpy() == pytest.approx(truth.numpy(), abs=0.01)


def test_agrees_with_evaluate(rng: np.random.Generator) -> None:
    p, q = rng.dirichlet(np.ones(7), (2, 50))
    for r in (1, 2):
        loss = float(emd_loss(torch.from_numpy(p), torch.from_numpy(q), r))
        assert loss == pytest.approx(evaluate(p, q)[f"emd{r}"], abs=1e-9)


@pytest.mark.parametrize(
    ("p", "q", "r"),
    [
        pytest.param((2, 10), (2, 7), 2, id="other-K"),
        pytest.param((10,), (10,), 2, id="one-dimension"),
        pytest.param((2, 10), (2, 10), 0.5, id="order-below-1"),
    ],
)
def test_wrong_input_is_named(p: tuple[int, ...], q: tuple[int, ...], r: float) -> None:
    with pytest.raises(InputError, match="found"):
        emd_loss(torch.ones(p), torch.ones(q), r)
