"""The specification curve shows for every verdict's wave what each metric makes of it."""

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
from factories import VERDICT, analysis

from thetascope.analysis.together import METRICS, OF_METRICS
from thetascope.analysis.verdict import COLUMNS
from thetascope.report.figures.specification import NOTHING, specification_figure
from thetascope.report.figures.style import STYLE, WIDTH

ANALYSIS = analysis(confidence=0.75)
WAVES = [  # the first twice, by two metrics that were both declared
    {"question": "turning", "dataset": "ihc", "period": 90.0, "metric": "auroc"},
    {"question": "turning", "dataset": "ihc", "period": 90.0, "metric": "dice_area"},
    {"question": "training", "dataset": "retina", "period": 180.0, "metric": "auroc"},
    {"question": "training", "dataset": "alone", "period": 180.0, "metric": "dice_macro"},
]
SHARES = {
    ("ihc", 90.0): {"dice_area": (0.7, 0.01), "auroc": (0.5, 0.05), "mine": (0.1, 0.4)},
    ("ihc", 180.0): {"dice_area": (0.2, 0.01), "auroc": (0.2, 0.01), "mine": (0.2, 0.01)},
    # by a metric that the first wave has not
    ("retina", 180.0): {"dice_area": (0.3, 0.2), "auroc": (0.9, 0.002), "auprc": (0.6, 0.3)},
    ("alone", 180.0): {"dice_macro": (0.9, 0.002)},
}


@pytest.fixture
def tables():
    verdicts = pd.DataFrame([VERDICT | wave for wave in WAVES]).reindex(columns=COLUMNS)
    kind = {name: VERDICT[name] for name in OF_METRICS}
    oscillation = pd.DataFrame(
        [
            kind | {"dataset": name, "period": period, "metric": metric}
            | {"power_share": share, "p": p}
            for (name, period), found in SHARES.items()
            for metric, (share, p) in found.items()
        ]
    )  # fmt: skip
    metrics = pd.DataFrame(
        [
            wave | {"amplitude_median": 0.1, "n_small_p": small, "p": p, "n_metrics": count}
            for wave, small, p, count in (
                (kind | WAVES[0], 2, 0.0123, 3),
                (kind | WAVES[2], 1, 0.4, 3),
            )
        ]
    ).reindex(columns=METRICS)
    return verdicts, oscillation, metrics


def test_every_wave_has_one_row_with_the_shares_and_small_p_of_its_metrics(tables):
    figure = specification_figure(*tables, ANALYSIS)
    assert "own p is at most 0.25." in figure.get_suptitle().replace("\n", " ")
    axes, bar = figure.axes
    shares, dots = axes.collections
    np.testing.assert_array_equal(
        np.ma.filled(shares.get_array(), np.nan), [[0.7, 0.5, np.nan, 0.1], [0.3, 0.9, 0.6, np.nan]]
    )
    assert shares.get_clim() == (0, 1)
    assert {tuple(dot) for dot in dots.get_offsets()} == {
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    }  # p ≤ 0.25
    names = [name.get_text() for name in axes.get_yticklabels()]
    assert [name.split(",")[0] for name in names] == ["turning: ihc", "training: retina"]
    assert [name.rsplit(", ")[-1] for name in names] == ["90°", "180°"]
    named = [name.get_text() for name in axes.get_xticklabels()]
    assert named == ["Dice at the mask's area", "AUROC", "Average precision (AUPRC)", "mine"]
    assert [text.get_text() for text in axes.texts] == ["p 0.012, 2 of 3", "p 0.400, 1 of 3"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first on top
    assert "share of the curve's variance" in bar.get_title()


def test_no_words_are_cut_off(tables):
    verdicts, oscillation, metrics = tables
    long = {"dataset": {"ihc": "brats_2020_validation_t1ce"}}
    figure = specification_figure(
        verdicts.replace(long), oscillation.replace(long), metrics.replace(long), ANALYSIS
    )
    width, height = figure.get_size_inches() * figure.dpi
    assert width == WIDTH * figure.dpi
    with matplotlib.style.context(STYLE):
        figure.draw_without_rendering()
        top = figure.axes[0]
        words = [*top.get_yticklabels(), *top.get_xticklabels(), *top.texts, *figure.texts]
        boxes = [word.get_window_extent() for word in words]
    assert all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= width and b.y1 <= height for b in boxes)
    title = figure.texts[0].get_window_extent()
    assert title.y0 >= max(name.get_window_extent().y1 for name in top.get_xticklabels())


@pytest.mark.parametrize("rows", [slice(0), slice(3, None)])
def test_without_a_second_metric_it_says_so(tables, rows):
    verdicts, oscillation, metrics = tables
    figure = specification_figure(verdicts.iloc[rows], oscillation, metrics, ANALYSIS)
    assert figure.texts[-1].get_text() == NOTHING and not figure.axes
