"""Scanpaths, heatmaps and sheets: what is drawn is where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention import drawing
from gazekit.core.errors import InputError

GREY = np.full((100, 200, 3), 90, dtype=np.uint8)


def changed(picture: np.ndarray) -> np.ndarray:
    return (picture != GREY).any(axis=2)


def test_a_heatmap_colours_where_the_map_is_and_nothing_else() -> None:
    amap = np.zeros((50, 100))
    amap[20:30, 60:70] = 1
    heat = drawing.heatmap(GREY, amap)
    assert changed(heat)[45:55, 125:135].all()
    assert not changed(heat)[:, :100].any()
    assert heat[50, 130, 0] > heat[50, 130, 2]  # the peak is red
    assert not changed(drawing.heatmap(GREY, np.zeros((5, 5)))).any()


def test_discs_grow_with_duration_and_lines_join_one_viewer() -> None:
    short = changed(drawing.scanpath(GREY, [50], [50], [60.0])).sum()
    assert changed(drawing.scanpath(GREY, [50], [50], [960.0])).sum() > 4 * short
    one = drawing.scanpath(GREY, [30, 170], [50, 50], numbers=False)
    two = drawing.scanpath(GREY, [30, 170], [50, 50], viewer=["a", "b"], numbers=False)
    assert changed(one)[45:55, 100].any()
    assert not changed(two)[45:55, 100].any()
    assert (one[50, 30] != two[50, 170]).any()  # a colour each


def test_a_lost_fixation_breaks_the_path() -> None:
    path = changed(drawing.scanpath(GREY, [30, np.nan, 170], [50, np.nan, 50]))
    assert path[50, 30]
    assert path[50, 170]
    assert not path[45:55, 90:110].any()


def test_an_outline_lies_on_its_box() -> None:
    marked = changed(drawing.outline(GREY, [(20, 40, 60, 120)]))
    assert marked[20, 40:120].all()
    assert marked[59, 40:120].all()
    assert not marked[30:50, 50:110].any()


def test_a_sheet_shows_every_picture_in_its_place() -> None:
    shades = [np.full((40, 80, 3), v, dtype=np.uint8) for v in (10, 60, 110, 160)]
    page = drawing.sheet([shades[:2], shades[2:]], names=["one", "two"], columns=["left", "right"], tile=100)
    rows, columns = (np.sort(np.unique(np.argwhere(page[..., 0] == v)[:, axis])) for v, axis in ((10, 0), (10, 1)))
    assert (rows[-1] - rows[0], columns[-1] - columns[0]) >= (39, 79)
    middle = [tuple(np.argwhere((page == v).all(axis=2)).mean(axis=0)) for v in (10, 60, 110, 160)]
    assert middle[0][1] < middle[1][1]
    assert middle[0][0] < middle[2][0]
    pairs = drawing.masked_pairs(shades[:3], shades[1:], pairs=2, tile=100)
    assert pairs.shape[1] == 4 * 108 + 8
    with pytest.raises(InputError, match="at least one picture"):
        drawing.sheet([])


def test_pictures_are_only_made_smaller() -> None:
    assert drawing.fit_picture(GREY, 50).shape == (25, 50, 3)
    assert drawing.fit_picture(GREY, 500) is GREY


def test_one_scale_for_all_pictures_and_layers() -> None:
    low, high = np.zeros((50, 100)), np.zeros((50, 100))
    low[20:30, 60:70], high[20:30, 60:70] = 0.2, 1
    assert (drawing.heatmap(GREY, low) == drawing.heatmap(GREY, high)).all(), "each by its own peak"
    shared = drawing.heatmap(GREY, low, peak=1.0)
    assert shared[50, 130, 2] > shared[50, 130, 0], "a fifth of the peak is blue"
    layer = drawing.transparent_heatmap(high, (100, 200))
    assert layer.shape == (100, 200, 4)
    alpha = layer[..., 3:] / 255
    laid = np.rint((1 - alpha) * GREY + alpha * layer[..., :3])
    assert np.abs(laid - drawing.heatmap(GREY, high)).max() <= 1
    seen = drawing.opacity_map(GREY, high)
    assert (seen[50, 130] == GREY[50, 130]).all()
    assert not seen[:, :100].any()
    assert len(np.unique(drawing.legend(2.5, "%").reshape(-1, 3), axis=0)) > 100
