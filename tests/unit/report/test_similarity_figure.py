"""The figure of how alike encoders are shows the rows of the table, and says what they are."""

import numpy as np
import pandas as pd
import pytest
from factories import NAMES, REGULAR, dice_rows, of

from thetascope.report.figures.similarity import similarity_figure
from thetascope.report.figures.style import SIMILAR_TO, SIMILARITY


def rows(**names):
    """Of x, by the pretrained encoder; no value at 0 beside itself."""
    of_x = {"input": "original", "attribution": list(SIMILAR_TO), "metric": list(SIMILARITY)}
    table = dice_rows(REGULAR, **of_x, **names)
    return table[(table["attribution"] != "similarity_zero") | (table["angle"] != 0)]


def test_every_similarity_is_a_line_of_its_values_in_the_panel_of_its_metric():
    table = rows(view=["plain", "disc"])
    others = dice_rows(REGULAR, metric="auroc")
    figure = similarity_figure(pd.concat([table, others]), 0.9)
    panels = np.reshape(figure.axes, (2, 2))
    for view, row in zip(("disc", "plain"), panels, strict=True):
        for metric, axes in zip(SIMILARITY, row, strict=True):
            drawn = {line.get_label(): line.get_xydata() for line in axes.lines}
            assert set(drawn) == {*SIMILAR_TO.values(), "backbone: another image"}
            for (name, said), band in zip(SIMILAR_TO.items(), axes.collections, strict=True):
                curve = of(table, view=view, metric=metric, attribution=name)
                assert drawn[said] == pytest.approx(curve[["angle", "value"]].to_numpy())
                edges = set(band.get_paths()[0].vertices[:, 1].round(9))
                assert edges == {*curve["ci_low"].round(9), *curve["ci_high"].round(9)}
            chance = of(table, view=view, metric=metric, attribution="similarity_backbone")
            assert drawn["backbone: another image"][:, 1] == pytest.approx(chance["chance"])
    title = figure.get_suptitle()
    assert NAMES["dataset"] in title and "90 % bootstrap intervals over 12 test items" in title


def test_without_an_angle_of_training_it_says_so():
    table = dice_rows([("none", 0), ("none", 90)])
    assert "No encoder was trained" in similarity_figure(table, 0.9).get_suptitle()
