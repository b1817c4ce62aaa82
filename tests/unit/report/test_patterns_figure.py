"""The grid of response patterns shows each curve of the table in the panel of its set and arm."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from factories import REGULAR, dice_rows, of
from PIL import Image

from thetascope.report.figures.patterns import patterns_figure
from thetascope.report.figures.style import save

OF_PROBES = {"model": "pretrained", "input": "pair"}


def rows(angles=REGULAR, **names):
    return pd.concat(
        [
            dice_rows(
                angles, attribution=name, metric=f"{name}_accuracy", **OF_PROBES, **names
            ).assign(chance=0.5)
            for name in ("probe", "perceptron")
        ],
        ignore_index=True,
    )


def test_rows_are_sets_and_columns_arms_on_one_scale():
    table = rows(dataset=["b", "a"], encoder=["e", "f"], method=["simclr", "moco"])
    maps = dice_rows(REGULAR, dataset=["a", "b"])  # a map is no probe
    figure = patterns_figure(pd.concat([table, maps]), 0.9)
    panels = np.reshape(figure.axes, (2, 4))
    assert [axes.texts[0].get_text() for axes in panels[:, 0]] == ["a", "b"]
    arms = [("e", "moco"), ("e", "simclr"), ("f", "moco"), ("f", "simclr")]
    titles = [axes.get_title(loc="left") for axes in panels[0]]
    assert titles == ["\n".join(arm) for arm in arms]
    for dataset, row in zip("ab", panels, strict=True):
        for (encoder, method), axes in zip(arms, row, strict=True):
            drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
            assert set(drawn) == {"linear probe", "perceptron", "chance"}
            here = {"dataset": dataset, "encoder": encoder, "method": method}
            for name, said in ("probe", "linear probe"), ("perceptron", "perceptron"):
                curve = of(table, attribution=name, **here)
                assert drawn[said] == pytest.approx(curve[["angle", "value"]].to_numpy())
            assert (drawn["chance"][:, 1] == 0.5).all()
            (band,) = axes.collections
            curve = of(table, attribution="perceptron", **here)
            edges = set(band.get_paths()[0].vertices[:, 1].round(9))
            assert edges == {*curve["ci_low"].round(9), *curve["ci_high"].round(9)}
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "(plain)" in figure.get_suptitle()
    assert "90 % bootstrap intervals over 12 test items" in figure.get_suptitle()


def test_the_sixteen_columns_of_the_follow_up_fit_a_page(tmp_path):
    """Nothing is cut off, and no text lies upon another."""
    sets = [f"image_set_{i}" for i in range(3)]
    encoders = [f"vit_base_patch{i}_224" for i in range(8)]
    table = rows(np.arange(0, 360, 45), dataset=sets, encoder=encoders, method=["moco", "simclr"])
    figure = patterns_figure(table, 0.95)
    assert len(figure.axes) == 48 and figure.get_size_inches()[0] == 7
    save(figure, [tmp_path / "grid.png"], {})
    with Image.open(tmp_path / "grid.png") as picture:
        margins = np.asarray(picture.convert("L"))
    assert (margins[:, :5] == 255).all() and (margins[:, -5:] == 255).all()
    figure.draw_without_rendering()  # places at its own resolution, not at the file's
    panels = np.reshape(figure.axes, (3, 16))
    titles = [axes.title.get_window_extent() for axes in panels[0]]
    assert all(a.x1 <= b.x0 + 1 for a, b in pairwise(titles))
    assert max(box.y1 for box in titles) <= figure._suptitle.get_window_extent().y0
    names = [axes.texts[0].get_window_extent() for axes in panels[:, 0]]
    assert all(b.y1 <= a.y0 for a, b in pairwise(names))
    numbers = [axes.yaxis.get_ticklabels()[0].get_window_extent() for axes in panels[:, 0]]
    assert all(a.x1 <= b.x0 for a, b in zip(names, numbers, strict=True))
    # panels are wider than the gaps between them
    boxes = [axes.get_position() for axes in panels[0]]
    assert boxes[0].width > 2 * (boxes[1].x0 - boxes[0].x1)


def test_of_the_finest_grid_there_are_lines_without_marks():
    figure = patterns_figure(rows(np.arange(0, 360, 0.5)), 0.95)
    (axes,) = figure.axes
    assert {line.get_marker() for line in axes.lines} == {"None"}
    assert {len(line.get_xydata()) for line in axes.lines} == {720}
