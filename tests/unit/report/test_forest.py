"""The forest plot shows the numbers of the verdict, each in its own row."""

from itertools import pairwise

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from factories import VERDICT, analysis
from matplotlib.colors import to_hex

from thetascope.analysis.verdict import COLUMNS
from thetascope.report.figures.forest import NOTHING, forest_figure
from thetascope.report.figures.style import STYLE, VERDICTS, WIDTH

ANALYSIS = analysis(confidence=0.8, smallest_effect=0.02)
ROWS = [
    {"question": "turning", "dataset": "ihc", "verdict": "open", "amplitude": 0.03},
    {"question": "training", "dataset": "retina"},
    {"question": "turning", "dataset": "retina", "verdict": "no wave", "amplitude": 0.005},
    {"question": "turning", "dataset": "mni152", "verdict": "not testable"},
]
ROWS[3] |= dict.fromkeys(("amplitude_ci_low", "amplitude_ci_high", "amplitude_bound"), np.nan)


CANVAS = {"verdict": "canvas"}


@pytest.fixture
def shown():
    return pd.DataFrame([VERDICT | row for row in ROWS]).reindex(columns=COLUMNS)


def test_every_curve_has_its_amplitude_interval_bound_and_verdict_in_its_row(shown):
    figure = forest_figure(shown, ANALYSIS)
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Question turning",
        "Question training",
    ]
    for axes, (_, rows) in zip(figure.axes, shown.groupby("question", sort=False), strict=True):
        bars, points, bounds = axes.collections
        np.testing.assert_allclose(points.get_offsets().T, [rows["amplitude"], range(len(rows))])
        drawn = np.ma.filled(bounds.get_offsets()[:, 0], np.nan)
        np.testing.assert_allclose(drawn, rows["amplitude_bound"])
        ends = [path.vertices[:, 0] for path in bars.get_paths()]
        np.testing.assert_allclose(ends, rows[["amplitude_ci_low", "amplitude_ci_high"]])
        colours = [VERDICTS[name] for name in rows["verdict"]]
        assert [to_hex(c).upper() for c in points.get_facecolors()] == colours
        assert axes.lines[0].get_xdata()[0] == ANALYSIS.smallest_effect
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert [name.split(", ")[0] for name in names] == rows["dataset"].tolist()
        assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top
    said = [text.get_text() for text in figure.axes[0].texts if text.get_text() != "■"]
    assert said == ["open: up to 0.058", "no wave above 0.058", "not testable"]
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "bar: 80 % interval for other training runs" in explained


@pytest.mark.parametrize(
    ("count", "change"),
    [
        (1, {}),
        (40, {}),
        (4, {"encoder": ["efficientnet_lite0", "resnet50"] * 8, "verdict": "canvas"}),
    ],
)
def test_it_is_a_page_wide_and_no_words_are_cut_off_or_overlap(shown, count, change):
    every = pd.concat([shown] * count, ignore_index=True).assign(**change)
    every.loc[0, "dataset"] = "brats_2020_validation_t1ce"
    figure = forest_figure(every, ANALYSIS)
    width, height = figure.get_size_inches() * figure.dpi
    with matplotlib.style.context(STYLE):
        figure.draw_without_rendering()
        _assert_legible(figure, width, height)


def _assert_legible(figure, width, height):
    assert width == WIDTH * figure.dpi
    for axes in figure.axes:
        names = axes.get_yticklabels()
        places = [name.get_window_extent() for name in names]
        assert all(a.y0 >= b.y1 for a, b in pairwise(places))
        for text in (*axes.texts, *axes.get_yticklabels()):
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert boxes[0].y0 > boxes[1].y1
    assert figure._suptitle.get_window_extent().y0 > boxes[0].y1
    assert boxes[1].y0 > figure.legends[0].get_window_extent().y1


def test_without_a_curve_it_says_so(shown):
    (said,) = (t.get_text() for t in forest_figure(shown[:0], ANALYSIS).texts[-1:])
    assert said == NOTHING
