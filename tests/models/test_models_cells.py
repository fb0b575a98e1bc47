"""Features by place, and their pooling by attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gazekit import models
from gazekit.core.errors import ConfigError
from gazekit.models.cells import cells_of, pooled_cells, tokens_on_grid


def test_pooling_by_hand() -> None:
    cells = torch.arange(12.0).reshape(1, 2, 2, 3)
    weights = torch.zeros(1, 4, 6)
    weights[:, :2, :2] = 1  # the first cell whole
    weights[:, 2:, 4:5] = 1  # the last one by half
    pooled = pooled_cells(cells, weights)[0]
    np.testing.assert_allclose(pooled[:2], [5 * 0.5 / 1.5, (6 + 11 * 0.5) / 1.5], atol=1e-6)
    np.testing.assert_allclose(pooled[2:], [0, 6], atol=1e-6)  # the half cell is not above half of the largest weight
    even = pooled_cells(cells, torch.full((1, 4, 6), 0.3))
    torch.testing.assert_close(even, pooled_cells(cells))
    assert not pooled_cells(cells, torch.zeros(1, 4, 6)).any()


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("timm:vit_tiny_patch16_224", (4, 6)),
        ("timm:convnext_atto", (2, 3)),
        ("timm:mobilenetv3_small_050", (2, 3)),
        ("resnet18", (2, 3)),
        ("nima-narrow", (4, 6)),
        ("alexnet", (1, 2)),
    ],
)
def test_features_by_place_are_what_the_network_pools(name: str, grid: tuple[int, int]) -> None:
    model = models.create(f"probe-{name}", 4, cells=True).eval()
    x = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cells = cells_of(model.trunk, x)
        assert cells.shape[2:] == grid
        assert model.head.in_features == 2 * cells.shape[1]
        torch.testing.assert_close(model.features(x), model.attended_features(x, torch.ones(2, 64, 96)))
        assert model(x).shape == (2, 4)
        if name.startswith("timm:vit"):
            tokens = model.trunk.net.forward_features(x)
            torch.testing.assert_close(cells[:, :, 1, 2], tokens[:, 1 + 1 * 6 + 2])


def test_tokens_that_are_no_grid_are_refused() -> None:
    net = models.create("timm:vit_tiny_patch16_224").trunk.net
    with pytest.raises(ConfigError, match="5 tokens of timm:vit_tiny_patch16_224 are no grid of 4 x 4"):
        tokens_on_grid(net, torch.zeros(1, 6, 192), torch.zeros(1, 3, 64, 64))
