from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from skimage.io import imread

from thetascope import figures
from thetascope.angles import label

GRID = [label(angle) for angle in range(0, 360, 45)]


def table(pairs, views=("plain",), dataset="brains"):
    rng = np.random.default_rng(0)
    rows = [
        (dataset, view, "resnet18", "moco", *pair, model, orientation, name, metric)
        for view, pair, (model, name), orientation, metric in product(
            views,
            pairs,
            [*figures.CURVES, ("pretrained", "gradient"), ("finetuned", "gradient")],
            figures.VIEWS,
            [*figures.METRICS, "auprc"],
        )
    ]
    keys = ["dataset", "view", "encoder", "method", "angle", "eval_angle"]
    frame = pd.DataFrame(rows, columns=[*keys, "model", "orientation", "map", "metric"])
    mean = rng.uniform(0.3, 0.6, len(frame))
    return frame.assign(
        mean=mean, ci_low=mean - 0.05, ci_high=mean + 0.05, null_mean=0.4, n_items=12, n_seeds=1
    )


@pytest.fixture
def draw(tmp_path):
    return lambda rows: figures.oscillation_figure(rows, tmp_path / "figure.png")


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_each_panel_shows_the_rows_of_its_metric_and_model(draw):
    rows = table([(a, a) for a in GRID]).sample(frac=1, random_state=0)
    axes = np.array(draw(rows).axes).reshape(4, len(figures.METRICS))
    assert [a.get_title() for a in axes[0]] == list(figures.METRICS.values())
    chosen = rows.query(
        "model == 'finetuned' and orientation == 'rotated' and map == 'smoothgrad'"
        " and metric == 'auroc'"
    ).sort_values("angle")
    panel = lines(axes[1, list(figures.METRICS).index("auroc")])
    curve = panel[figures.VIEWS["rotated"]]
    assert curve[:, 0].tolist() == list(range(0, 360, 45))
    assert curve[:, 1].tolist() == chosen["mean"].tolist()
    assert set(panel) == {
        f"{view}{suffix}" for view in figures.VIEWS.values() for suffix in ("", ": footprint null")
    }


def test_baseline_maps_have_panels_of_their_own(draw):
    rows = table([(a, a) for a in GRID])
    axes = np.array(draw(rows).axes).reshape(4, len(figures.METRICS))
    sobel = rows.query("map == 'sobel' and orientation == 'original' and metric == 'dice_area'")
    assert "Sobel" in axes[2, 0].get_ylabel() and "centre" in axes[3, 0].get_ylabel()
    assert lines(axes[2, 0])["map of x"][:, 1].tolist() == sobel["mean"].tolist()


def test_reference_without_training_is_drawn_at_each_evaluation(draw):
    rows = table([(a, a) for a in GRID] + [("none", a) for a in GRID])
    panel = lines(draw(rows).axes[0])
    expected = rows.query(
        "angle == 'none' and model == 'pretrained' and orientation == 'original'"
        " and map == 'smoothgrad' and metric == 'dice_area'"
    ).sort_values("eval_angle")
    reference = panel["map of x: no self-supervision"]
    assert reference[:, 0].tolist() == list(range(0, 360, 45))
    assert reference[:, 1].tolist() == expected["mean"].tolist()


@pytest.mark.parametrize(
    ("pairs", "meaning", "theta"),
    [
        ([(a, a) for a in GRID], "Trained and evaluated at θ", range(0, 360, 45)),
        (list(product(GRID, GRID)), "Trained and evaluated at θ", range(0, 360, 45)),
        ([(a, "000.0") for a in GRID], "evaluated at 0°", range(0, 360, 45)),
        ([("random", a) for a in GRID], "Trained at random angles", range(0, 360, 45)),
        ([("none", a) for a in GRID], "No self-supervision", range(0, 360, 45)),
        ([("360.0", "360.0"), ("000.0", "000.0")], "Trained and evaluated", [0, 360]),
    ],
)
def test_sweeps(draw, pairs, meaning, theta):
    figure = draw(table(pairs))
    assert meaning in figure.get_suptitle() and "brains" in figure.get_suptitle()
    assert lines(figure.axes[0])["map of x"][:, 0].tolist() == list(theta)


def test_untrained_reference_is_level_where_only_training_varies(draw):
    rows = table([(a, "000.0") for a in [*GRID, "none"]])
    reference = lines(draw(rows).axes[0])["map of x: no self-supervision"]
    assert len(reference) == len(GRID) and np.ptp(reference[:, 1]) == 0


def test_every_arm_has_its_own_rows(draw):
    figure = draw(table([(a, a) for a in GRID], views=("plain", "disc")))
    labels = [axes.get_ylabel() for axes in figure.axes[:: len(figures.METRICS)]]
    assert len(labels) == 8
    assert ["disc" in text for text in labels] == [True] * 4 + [False] * 4


def test_svg_is_the_same_bytes_each_time(tmp_path):
    rows = table([(a, a) for a in GRID])
    for name in ("one.svg", "two.svg"):
        figures.oscillation_figure(rows, tmp_path / name)
    first = (tmp_path / "one.svg").read_bytes()
    assert first == (tmp_path / "two.svg").read_bytes()
    assert b"<dc:date>" not in first
    assert ElementTree.fromstring(first).tag.endswith("svg")


def test_saliency_figure(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:9, 4:9] = 2
    maps = {
        angle: {f"{m}.{o}": rng.random((16, 16)) for m in figures.MODELS for o in figures.VIEWS}
        for angle in ("000.0", "random")
    }
    sizes = []
    for channels, name in product((1, 3, 4), ("one.png", "two.png")):
        image = rng.integers(0, 255, (channels, 16, 16), dtype=np.uint8)
        figures.saliency_figure(image, mask, maps, tmp_path / name, "brains: item 3")
        sizes.append(imread(tmp_path / name).shape[:2])
    assert len(set(sizes)) == 1


def test_saliency_figure_tells_the_dice_of_its_maps(tmp_path):
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 1
    off = np.roll(mask, 2, axis=0)
    arrays = {}
    for model in figures.MODELS:
        arrays |= {f"{model}.original": mask, f"{model}.rotated": off}
    image = np.zeros((3, 16, 16), np.uint8)
    figure = figures.saliency_figure(image, mask, {"045.0": arrays}, tmp_path / "a.png", "brains")
    grid = np.array(figure.axes).reshape(4, 3)
    assert [axes.get_xlabel() for axes in grid[:, 2]] == ["Dice 1.00", "Dice 0.50"] * 2
    assert (grid[1, 2].get_images()[0].get_array() == off).all()
    assert grid[0, 1].get_title() == "θ = 45°: map"


def test_the_factorial_shows_every_combination_and_its_means(tmp_path):
    rows = table(product(GRID, GRID)).sample(frac=1, random_state=0)
    figure = figures.factorial_figure(rows, "auroc", tmp_path / "figure.svg")
    chosen = rows.query("map == 'smoothgrad' and metric == 'auroc' and orientation == 'original'")
    model = sorted(chosen["model"].unique())[0]
    cells = chosen[chosen["model"] == model].pivot(
        index="angle", columns="eval_angle", values="mean"
    )
    panel, _, margins = figure.axes[:3]
    shown = panel.collections[0].get_array().reshape(cells.shape)
    np.testing.assert_array_equal(shown, cells)
    trained = lines(margins)[f"{figures.VIEWS['original']}: trained at θ"]
    assert trained[:, 1].tolist() == cells.mean(axis=1).tolist()
    evaluated = lines(margins)[f"{figures.VIEWS['original']}: evaluated at θ"]
    assert evaluated[:, 1].tolist() == cells.mean(axis=0).tolist()


def test_orientations_are_drawn_beside_what_they_tell(tmp_path):
    theta, directions = np.arange(0, 360, 90.0), np.arange(0, 180, 45.0)
    kinds, cells = ("hog", "structure_tensor"), (16, 32, 48, 64, 80)
    histogram, likeness, svm = (
        pd.DataFrame(list(product(first, second)), columns=columns)
        for first, second, columns in (
            (kinds, directions, ["histogram", "direction"]),
            (kinds, theta, ["histogram", "theta"]),
            (cells, theta, ["cell", "theta"]),
        )
    )
    rng = np.random.default_rng(0)
    for frame, column in (histogram, "mean"), (likeness, "mean"), (svm, "accuracy"):
        frame[column] = rng.uniform(0.1, 1, len(frame))
        frame["ci_low"], frame["ci_high"] = frame[column] - 0.1, frame[column] + 0.1
    for name in ("one.svg", "two.svg"):
        figure = figures.orientation_figure(
            histogram, likeness, svm.assign(n_items=9), tmp_path / name, "brains"
        )
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "brains" in figure.get_suptitle() and "9 images" in figure.get_suptitle()
    polar, correlation, accuracy = figure.axes
    first = polar.get_lines()[0].get_xydata()
    shares = histogram.loc[histogram["histogram"] == "hog", "mean"].tolist()
    assert first[:, 1].tolist() == shares * 2 + shares[:1]  # both ways round, and closed
    assert np.rad2deg(first[:, 0]) % 360 == pytest.approx([*range(0, 360, 45), 0])
    assert lines(correlation).keys() == {f"histogram: {kind}" for kind in kinds}
    assert lines(accuracy).keys() == {*(f"cell: {cell}" for cell in cells), "chance"}
    drawn = lines(accuracy)["cell: 80"]
    assert drawn.tolist() == svm.loc[svm["cell"] == 80, ["theta", "accuracy"]].to_numpy().tolist()
