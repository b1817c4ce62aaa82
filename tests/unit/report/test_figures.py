import json
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.io import imread

from thetascope.analysis.periodogram import periodogram_table
from thetascope.analysis.scores import arrange
from thetascope.angles import label
from thetascope.report.figures import curves, orientation, pictures, training
from thetascope.report.figures.style import METRICS, MODELS, VIEWS, save

GRID = [label(angle) for angle in range(0, 360, 45)]


def table(pairs, views=("plain",), dataset="brains"):
    rng = np.random.default_rng(0)
    rows = [
        (dataset, view, "resnet18", "moco", *pair, model, orientation, name, metric)
        for view, pair, (model, name), orientation, metric in product(
            views,
            pairs,
            [*curves.CURVES, ("pretrained", "gradient"), ("finetuned", "gradient")],
            VIEWS,
            [*METRICS, "auprc"],
        )
    ]
    keys = ["dataset", "view", "encoder", "method", "angle", "eval_angle"]
    frame = pd.DataFrame(rows, columns=[*keys, "model", "orientation", "map", "metric"])
    mean = rng.uniform(0.3, 0.6, len(frame))
    return frame.assign(
        mean=mean, ci_low=mean - 0.05, ci_high=mean + 0.05, null_mean=0.4, n_items=12, n_seeds=1
    )


def noise(rows, seed_sd=0.04, replicate_sd=np.nan):
    keys = ["view", "encoder", "method", "model", "orientation", "map", "metric"]
    frame = rows[keys].drop_duplicates()
    place = {"sweep": "diagonal", "at": "same", "series": "value", "n_seeds": 4}
    return frame.assign(**place, seed_sd=seed_sd, replicate_sd=replicate_sd)


def draw(rows):
    return curves.oscillation_figure(rows, noise(rows)[:0], 0.95)


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def test_each_panel_shows_the_rows_of_its_metric_and_model():
    rows = table([(a, a) for a in GRID]).sample(frac=1, random_state=0)
    axes = np.array(draw(rows).axes).reshape(4, len(METRICS))
    assert [a.get_title() for a in axes[0]] == list(METRICS.values())
    chosen = rows.query(
        "model == 'finetuned' and orientation == 'rotated' and map == 'smoothgrad'"
        " and metric == 'auroc'"
    ).sort_values("angle")
    panel = lines(axes[1, list(METRICS).index("auroc")])
    curve = panel[VIEWS["rotated"]]
    assert curve[:, 0].tolist() == list(range(0, 360, 45))
    assert curve[:, 1].tolist() == chosen["mean"].tolist()
    assert set(panel) == {
        f"{view}{suffix}" for view in VIEWS.values() for suffix in ("", ": footprint null")
    }


def test_items_are_counted_where_curves_are_drawn():
    """The plain gradient has no score at θ = 0 and is not in the figure."""
    rows = table([(a, a) for a in GRID])
    rows.loc[rows["map"] == "gradient", "n_items"] = 0
    for figure in draw(rows), curves.polar_figure(rows, noise(rows)[:0], 0.9):
        assert " over 12 test items" in figure.get_suptitle()
    assert "90 %" in figure.get_suptitle()
    rows.loc[rows["angle"] == GRID[1], "n_items"] = 9
    assert " over 9 to 12 test items" in draw(rows).get_suptitle()


def test_baseline_maps_have_panels_of_their_own():
    rows = table([(a, a) for a in GRID])
    axes = np.array(draw(rows).axes).reshape(4, len(METRICS))
    sobel = rows.query("map == 'sobel' and orientation == 'original' and metric == 'dice_area'")
    assert "Sobel" in axes[2, 0].get_ylabel() and "centre" in axes[3, 0].get_ylabel()
    assert lines(axes[2, 0])["map of x"][:, 1].tolist() == sobel["mean"].tolist()


def test_reference_without_training_is_drawn_at_each_evaluation():
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
def test_sweeps(pairs, meaning, theta):
    figure = draw(table(pairs))
    assert meaning in figure.get_suptitle() and "brains" in figure.get_suptitle()
    assert lines(figure.axes[0])["map of x"][:, 0].tolist() == list(theta)


def test_untrained_reference_is_level_where_only_training_varies():
    rows = table([(a, "000.0") for a in [*GRID, "none"]])
    reference = lines(draw(rows).axes[0])["map of x: no self-supervision"]
    assert len(reference) == len(GRID) and np.ptp(reference[:, 1]) == 0


def test_every_arm_has_its_own_rows():
    figure = draw(table([(a, a) for a in GRID], views=("plain", "disc")))
    labels = [axes.get_ylabel() for axes in figure.axes[:: len(METRICS)]]
    assert len(labels) == 8
    assert ["disc" in text for text in labels] == [True] * 4 + [False] * 4


def test_files_are_the_same_bytes_each_time_and_say_what_made_them(tmp_path):
    rows = table([(a, a) for a in GRID])
    made_by = {"rule": "plot_oscillation", "params": {"code": "<&é>"}}
    for name in ("one", "two"):
        save(draw(rows), [tmp_path / f"{name}.svg", tmp_path / f"{name}.png"], made_by)
    for suffix in ("svg", "png"):
        first = (tmp_path / f"one.{suffix}").read_bytes()
        assert first == (tmp_path / f"two.{suffix}").read_bytes()
    root = ElementTree.parse(tmp_path / "one.svg").getroot()
    assert root.tag.endswith("svg")
    described = [e.text for e in root.iter() if e.tag.endswith("}description")]
    assert json.loads(described[0]) == made_by
    assert not [e for e in root.iter() if e.tag.endswith("}date")]
    with Image.open(tmp_path / "one.png") as picture:
        assert json.loads(picture.info["Description"]) == made_by


@pytest.mark.parametrize(
    ("seed_sd", "replicate_sd", "half"),
    [(0.04, 0.5, 1.96 * 0.02), (np.nan, 0.1, 1.96 * 0.05), (np.nan, np.nan, None), (0, 0, None)],
)
def test_the_noise_floor_is_that_of_a_point(seed_sd, replicate_sd, half):
    rows = table([(a, a) for a in GRID])
    figure = curves.oscillation_figure(rows, noise(rows, seed_sd, replicate_sd), 0.95)
    floors = [p for p in figure.axes[0].patches if "noise floor" in p.get_label()]
    if half is None:
        assert not floors
        return
    curve = lines(figure.axes[0])[VIEWS["original"]][:, 1]
    floor = next(p for p in floors if p.get_label() == f"{VIEWS['original']}: noise floor")
    assert floor.get_height() == pytest.approx(2 * half, rel=1e-4)
    assert floor.get_y() + floor.get_height() / 2 == pytest.approx(curve.mean())


def test_round_the_circle_the_line_closes():
    rows = table([(a, a) for a in GRID]).sample(frac=1, random_state=0)
    figure = curves.polar_figure(rows, noise(rows), 0.95)
    assert [axes.name for axes in figure.axes] == ["polar"] * 4
    chosen = rows.query(
        "model == 'finetuned' and orientation == 'rotated' and map == 'smoothgrad'"
        " and metric == 'auroc'"
    ).sort_values("angle")
    panel = lines(figure.axes[3])
    (line,) = [ln for ln in figure.axes[3].get_lines() if ln.get_label() == VIEWS["rotated"]]
    marked = line.get_xydata()[line.get_markevery()]
    assert np.rad2deg(marked[:, 0]) == pytest.approx([*range(0, 361, 45)])
    assert marked[:, 1].tolist() == [*chosen["mean"], chosen["mean"].iloc[0]]
    # between them it goes from one to the next, and what is constant is a circle
    angles = np.rad2deg(line.get_xdata())
    expected = np.interp(angles, np.rad2deg(marked[:, 0]), marked[:, 1])
    assert len(angles) > 300 and line.get_ydata() == pytest.approx(expected)
    assert np.ptp(panel[f"{VIEWS['rotated']}: footprint null"][:, 1]) == 0
    floor = panel[f"{VIEWS['rotated']}: noise floor"][:, 1]
    assert floor == pytest.approx(chosen["mean"].mean() + 1.96 * 0.02, rel=1e-4)


def test_an_arc_that_was_not_swept_is_not_drawn():
    figure = curves.polar_figure(table([(a, a) for a in GRID[:4]]), noise(table([]))[:0], 0.95)
    angles = np.rad2deg(lines(figure.axes[0])["map of x"][:, 0])
    assert angles.min() == 0 and angles.max() == pytest.approx(135)


def test_the_periodogram_stands_beside_its_threshold():
    keys = table([("000.0", "000.0")])
    rows = keys.merge(pd.DataFrame({"cycles": range(1, 5)}), how="cross")
    rng = np.random.default_rng(0)
    rows = rows.assign(
        power=rng.random(len(rows)), threshold=0.5, sweep="diagonal", at="same", series="excess"
    )
    other = rows.assign(series="value", power=2.0)
    figure = curves.periodogram_figure(pd.concat([rows, other]), keys, 0.95)
    panel = figure.axes[len(METRICS) + list(METRICS).index("auroc")]
    bars = {b.get_label(): [p.get_height() for p in b] for b in panel.containers}
    chosen = rows.query("model == 'finetuned' and map == 'smoothgrad' and metric == 'auroc'")
    for orientation_, name in VIEWS.items():
        of_view = chosen[chosen["orientation"] == orientation_].sort_values("cycles")
        assert bars[name] == of_view["power"].tolist()


def test_training_has_a_line_per_angle_and_their_mean():
    keys = pd.DataFrame({"dataset": ["brains"], "view": "plain", "encoder": "e", "method": "moco"})
    runs = keys.merge(pd.DataFrame({"angle": [*GRID, "none"]}), how="cross")
    runs = runs.merge(pd.DataFrame({"seed": ["0", "1"]}), how="cross")
    rows = runs.merge(pd.DataFrame({"stage": ["pretrain", "finetune"]}), how="cross")
    rows = rows.merge(pd.DataFrame({"epoch": [1, 2, 3]}), how="cross")
    rng = np.random.default_rng(0)
    for column in ("loss", "top1", "spread", "validation_dice"):
        rows[column] = rng.random(len(rows))
    figure = training.training_figure(rows)
    loss = figure.axes[0].get_lines()
    assert len(loss) == len(GRID) + 2
    expected = rows[rows["stage"] == "pretrain"].groupby("epoch")["loss"].mean()
    np.testing.assert_allclose(loss[-1].get_ydata(), expected)
    assert f"{2 * (len(GRID) + 1)} training runs" in figure.get_suptitle()


def test_samples_show_every_image_above_its_mask():
    rng = np.random.default_rng(0)
    for channels in (1, 3, 4):
        images = rng.integers(0, 255, (2, channels, 16, 16), dtype=np.uint8)
        masks = np.zeros((2, 16, 16), np.uint8)
        masks[1, :4] = 2
        figure = pictures.samples_figure(images, masks, ["a", "b"], "brains")
        grid = np.array(figure.axes).reshape(2, 2)
        assert [axes.get_title() for axes in grid[0]] == ["a", "b"]
        assert [axes.get_xlabel() for axes in grid[1]] == ["0 % foreground", "25 % foreground"]
        shown = np.asarray(grid[0, 1].images[0].get_array())
        expected = images[1].transpose(1, 2, 0) if channels == 3 else images[1, 0]
        np.testing.assert_array_equal(shown, expected)


def test_pairs_show_each_item_above_its_turned_self():
    rng = np.random.default_rng(0)
    images = {view: rng.random((2, 3, 16, 16)) for view in VIEWS}
    masks = {view: np.zeros((2, 16, 16), int) for view in VIEWS}
    masks["original"][:, :4], masks["rotated"][:, :, :4] = 1, 1
    maps = {f"{m}.{v}": rng.random((2, 16, 16)) for m in MODELS for v in VIEWS}
    figure = pictures.pairs_figure(images, masks, maps, "brains")
    grid = np.array(figure.axes).reshape(4, 6)
    second_turned = [np.asarray(axes.images[0].get_array()) for axes in grid[3]]
    np.testing.assert_array_equal(second_turned[0], images["rotated"][1].transpose(1, 2, 0))
    np.testing.assert_array_equal(second_turned[1], masks["rotated"][1])
    np.testing.assert_array_equal(second_turned[4], maps["finetuned.rotated"][1])
    marked = second_turned[5] > 0
    assert marked.sum() == 64
    assert maps["finetuned.rotated"][1][marked].min() > maps["finetuned.rotated"][1][~marked].max()


def test_saliency_figure(tmp_path):
    rng = np.random.default_rng(0)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:9, 4:9] = 2
    maps = {
        angle: {f"{m}.{o}": rng.random((16, 16)) for m in MODELS for o in VIEWS}
        for angle in ("000.0", "random")
    }
    sizes = []
    for channels, name in product((1, 3, 4), ("one.png", "two.png")):
        image = rng.integers(0, 255, (channels, 16, 16), dtype=np.uint8)
        figure = pictures.saliency_figure(image, mask, maps, "brains: item 3")
        save(figure, [tmp_path / name], {})
        sizes.append(imread(tmp_path / name).shape[:2])
    assert len(set(sizes)) == 1


def test_saliency_figure_tells_the_dice_of_its_maps():
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 1
    off = np.roll(mask, 2, axis=0)
    arrays = {}
    for model in MODELS:
        arrays |= {f"{model}.original": mask, f"{model}.rotated": off}
    image = np.zeros((3, 16, 16), np.uint8)
    figure = pictures.saliency_figure(image, mask, {"045.0": arrays}, "brains")
    grid = np.array(figure.axes).reshape(4, 3)
    assert [axes.get_xlabel() for axes in grid[:, 2]] == ["Dice 1.00", "Dice 0.50"] * 2
    assert (grid[1, 2].get_images()[0].get_array() == off).all()
    assert grid[0, 1].get_title() == "θ = 45°: map"


def test_the_factorial_shows_every_combination_and_its_means():
    rows = table(product(GRID, GRID)).sample(frac=1, random_state=0)
    figure = curves.factorial_figure(rows, "auroc")
    chosen = rows.query("map == 'smoothgrad' and metric == 'auroc' and orientation == 'original'")
    model = "pretrained"
    cells = chosen[chosen["model"] == model].pivot(
        index="angle", columns="eval_angle", values="mean"
    )
    panel, _, margins = figure.axes[:3]
    shown = panel.images[0].get_array()
    np.testing.assert_array_equal(shown, cells)
    trained = lines(margins)[f"{VIEWS['original']}: trained at θ"]
    assert trained[:, 1].tolist() == cells.mean(axis=1).tolist()
    evaluated = lines(margins)[f"{VIEWS['original']}: evaluated at θ"]
    assert evaluated[:, 1].tolist() == cells.mean(axis=0).tolist()


def test_orientations_are_drawn_beside_what_they_tell():
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
    svm["n_items"] = 9
    figure = orientation.orientation_figure(histogram, likeness, svm, "brains")
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


def test_without_a_period_the_figure_says_so():
    """As with one angle: the table has its columns and no row."""
    scores = table([("000.0", "000.0")]).assign(seed="0", item=1, value=0.5, null=0.4)
    empty = periodogram_table(arrange([scores]), permutations=9, confidence=0.95, seed=0)
    figure = curves.periodogram_figure(empty, scores, 0.95)
    assert not figure.axes and "brains" in figure.get_suptitle()
    assert any("resolve no period" in text.get_text() for text in figure.texts)
