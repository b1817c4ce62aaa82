import json
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from factories import (
    analysis,
    dice_rows,
    noise_images,
    of,
    reliability_rows,
    score_rows,
    square_mask,
)
from PIL import Image
from skimage.io import imread

from thetascope.analysis.periodogram import periodogram_table
from thetascope.analysis.scores import arrange
from thetascope.report.figures import curves, orientation, periods, pictures, training
from thetascope.report.figures.style import ATTRIBUTION, INPUTS, METRICS, MODELS, save

OWN_CUT = "map of x, cut to the same pixels"
GRID = [float(angle) for angle in range(0, 360, 45)]
MAPS = [*curves.CURVES, ("baseline", "footprint"), ("finetuned", "another")]
ROWS = len(curves.CURVES)
KIND = ["view", "encoder", "method", "model", "input", "attribution", "metric"]
DIAGONAL = {"training": "fixed", "sweep": "diagonal", "held_angle": np.nan}


def table(angles, **names):
    """Rows of `dice.csv` of all that is drawn, and of some that is not."""
    names = {"dataset": "brains", "input": list(INPUTS), "metric": [*METRICS, "auprc"]} | names
    return dice_rows(angles, maps=MAPS, **names).assign(n_seeds=4)


def noise(rows, cell_sd=0.04):
    """Rows of `noise.csv`; those of other series and sweeps have another noise."""
    kinds = rows[KIND].drop_duplicates().assign(n_seeds=9)  # of the curve, if they are staggered
    places = pd.DataFrame(
        [
            DIAGONAL | {"series": "excess"},
            DIAGONAL | {"series": "value"},
            {"training": "fixed", "sweep": "train", "held_angle": 45.0, "series": "value"},
            {"training": "none", "sweep": "eval", "held_angle": np.nan, "series": "value"},
        ]
    )
    found = kinds.merge(places.assign(cell_sd=0.3), how="cross")
    own = of(found, series="value", sweep="diagonal").index
    found.loc[own, "cell_sd"] = cell_sd
    return found


def reliability(**names):
    """Rows of `reliability.csv` of what is drawn."""
    return reliability_rows(**{"dataset": "brains", "input": list(INPUTS)} | names)


def draw(rows, halves=None):
    halves = reliability()[:0] if halves is None else halves
    return curves.oscillation_figure(rows, noise(rows)[:0], halves, 0.95)


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def band(axes, place):
    """Lower and upper edge of a filled band, from left to right."""
    points = np.unique(axes.collections[place].get_paths()[0].vertices, axis=0)
    sides = [points[points[:, 0] == x, 1] for x in np.unique(points[:, 0])]
    return np.array([[side.min(), side.max()] for side in sides])


def test_each_panel_shows_the_rows_of_its_metric_and_model():
    rows = table(GRID).sample(frac=1, random_state=0)
    axes = np.array(draw(rows).axes).reshape(ROWS, len(METRICS))
    assert [a.get_title() for a in axes[0]] == list(METRICS.values())
    chosen = rows.query(
        "model == 'finetuned' and input == 'rotated' and attribution == 'smoothgrad'"
        " and metric == 'auroc'"
    ).sort_values("angle")
    panel = lines(axes[1, list(METRICS).index("auroc")])
    curve = panel[INPUTS["rotated"]]
    assert curve[:, 0].tolist() == GRID
    assert curve[:, 1].tolist() == chosen["value"].tolist()
    chance = panel[f"{INPUTS['rotated']}: chance"]
    assert chance[:, 1].tolist() == chosen["chance"].tolist()
    assert panel[OWN_CUT][:, 1].tolist() == chosen["own_cut"].tolist()
    # bands of x and of R_θ x
    bands = band(axes[1, list(METRICS).index("auroc")], 1)
    assert bands == pytest.approx(chosen[["ci_low", "ci_high"]].to_numpy())
    both = {f"{view}{suffix}" for view in INPUTS.values() for suffix in ("", ": chance")}
    assert set(panel) == both | {OWN_CUT}
    assert len(axes[1, list(METRICS).index("auroc")].get_lines()) == 5  # maps of x have no own cut


def test_curves_that_lie_upon_each_other_are_told_apart_by_their_dashes():
    """Chance of x and of R_θ x, which is the same where all pixels are shown, and the own cut."""
    panel = {line.get_label(): line for line in draw(table(GRID)).axes[0].get_lines()}
    names = [*(f"{view}: chance" for view in INPUTS.values()), OWN_CUT]
    dashes = {str(panel[name]._unscaled_dash_pattern) for name in names}
    solid = {panel[view].get_linestyle() for view in INPUTS.values()}
    assert len(dashes) == 3 and solid == {"-"}


def test_reliability_stands_beside_its_own_model_and_arm():
    """First of x, then of R_θ x."""
    names = {"model": list(MODELS), "view": ["disc", "plain"]}
    halves = reliability(**names, encoder=["e", "other"])
    rows = table(GRID, view=["disc", "plain"])
    axes = np.array(draw(rows, halves.sample(frac=1, random_state=0)).axes)
    axes = axes.reshape(2 * ROWS, len(METRICS))
    for place, (view, model) in enumerate(product(names["view"], MODELS)):
        own = of(halves, view=view, model=model, encoder="e").set_index("input")["reliability"]
        label = axes[place // 2 * ROWS + place % 2, 0].get_ylabel()
        assert f"reliability {own['original']:.2f}, {own['rotated']:.2f}" in label
        assert MODELS[model] in label and view in label
    assert "reliability" not in axes[2, 0].get_ylabel()  # of a map that nothing noisy made
    one = of(halves, input="rotated").dropna()
    of_one = of(one, view="plain", encoder="e", model="pretrained")["reliability"].item()
    label = draw(table(GRID), one).axes[0].get_ylabel()
    assert label.endswith(f"\nreliability {of_one:.2f}")


def test_items_are_counted_where_curves_are_drawn():
    """Maps that are not in the figure may have other items."""
    rows = table(GRID)
    rows.loc[rows["attribution"] == "another", "n_items"] = 0
    for figure in draw(rows), curves.polar_figure(rows, noise(rows)[:0], 0.9):
        assert " over 12 test items" in figure.get_suptitle()
    assert "90 %" in figure.get_suptitle()
    rows.loc[rows["angle"] == 45, "n_items"] = 9
    assert " over 9 to 12 test items" in draw(rows).get_suptitle()


def test_baseline_maps_have_panels_of_their_own():
    rows = table(GRID)
    axes = np.array(draw(rows).axes).reshape(ROWS, len(METRICS))
    sobel = rows.query("attribution == 'sobel' and input == 'original' and metric == 'dice_area'")
    for row, name in enumerate(("Sobel", "HoG", "centre", "random"), 2):
        assert name in axes[row, 0].get_ylabel()
    assert lines(axes[2, 0])["map of x"][:, 1].tolist() == sobel["value"].tolist()
    random = of(rows, attribution="random", input="rotated", metric="dice_area")
    assert lines(axes[5, 0])[INPUTS["rotated"]][:, 1].tolist() == random["value"].tolist()


def test_reference_without_training_is_drawn_at_each_evaluation():
    rows = table([*GRID, *(("none", a) for a in GRID)])
    panel = lines(draw(rows).axes[0])
    expected = rows.query(
        "training == 'none' and model == 'pretrained' and input == 'original'"
        " and attribution == 'smoothgrad' and metric == 'dice_area'"
    ).sort_values("eval_angle")
    reference = panel["map of x: no self-supervision"]
    assert reference[:, 0].tolist() == list(range(0, 360, 45))
    assert reference[:, 1].tolist() == expected["value"].tolist()


@pytest.mark.parametrize(
    ("pairs", "meaning", "theta"),
    [
        (GRID, "Trained and evaluated at θ", GRID),
        ([*product(GRID, GRID)], "Trained and evaluated at θ", GRID),
        ([(a, 0) for a in GRID], "Trained at θ, evaluated at 0°", GRID),
        ([*product(GRID, [90, 22.5])], "Trained at θ, evaluated at 22.5°", GRID),
        ([("random", a) for a in GRID], "Trained at random angles, evaluated at θ", GRID),
        ([*product(["none", "random"], GRID)], "Trained at random angles, evaluated at θ", GRID),
        ([("none", a) for a in GRID], "No self-supervision, evaluated at θ", GRID),
        ([360, 0], "Trained and evaluated", [0, 360]),
    ],
)
def test_sweeps(pairs, meaning, theta):
    figure = draw(table(pairs))
    assert meaning in figure.get_suptitle() and "brains" in figure.get_suptitle()
    assert lines(figure.axes[0])["map of x"][:, 0].tolist() == list(theta)


def test_untrained_reference_is_level_where_only_training_varies():
    rows = table([(a, 0) for a in [*GRID, "none"]])
    reference = lines(draw(rows).axes[0])["map of x: no self-supervision"]
    assert len(reference) == len(GRID) and np.ptp(reference[:, 1]) == 0


def test_every_arm_has_its_own_rows():
    figure = draw(table(GRID, view=["plain", "disc"]))
    labels = [axes.get_ylabel() for axes in figure.axes[:: len(METRICS)]]
    assert len(labels) == 2 * ROWS
    assert ["disc" in text for text in labels] == [True] * ROWS + [False] * ROWS


def test_files_are_the_same_bytes_each_time_and_say_what_made_them(tmp_path):
    rows = table(GRID)
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
    ("cell_sd", "half"), [(0.04, 1.96 * 0.02), (0.1, 1.96 * 0.05), (np.nan, None), (0, None)]
)
def test_the_noise_floor_is_that_of_a_point(cell_sd, half):
    rows = table(GRID)
    floors = noise(rows, cell_sd)
    figure = curves.oscillation_figure(rows, floors, reliability(), 0.95)
    floors = [p for p in figure.axes[0].patches if "noise floor" in p.get_label()]
    if half is None:
        assert not floors
        return
    curve = lines(figure.axes[0])[INPUTS["original"]][:, 1]
    floor = next(p for p in floors if p.get_label() == f"{INPUTS['original']}: noise floor")
    assert floor.get_height() == pytest.approx(2 * half, rel=1e-4)
    assert floor.get_y() + floor.get_height() / 2 == pytest.approx(curve.mean())


def test_the_noise_floor_is_that_of_the_sweep_that_is_shown():
    """Held at an angle, or at none; of another confidence."""
    for angles, place in (
        ([(a, 45) for a in GRID], {"sweep": "train", "held_angle": 45.0}),
        ([("none", a) for a in GRID], {"training": "none", "sweep": "eval"}),
    ):
        rows = table(angles)
        known = noise(rows)  # 0.3 but on the diagonal
        figure = curves.oscillation_figure(rows, known, reliability(), 0.5)
        assert len(of(known, **place)) == len(rows) / len(GRID)
        floors = [p for p in figure.axes[0].patches if "noise floor" in p.get_label()]
        heights = [floor.get_height() for floor in floors]
        assert heights == pytest.approx([2 * 0.6745 * 0.3 / 2] * 2, rel=1e-4)


def test_round_the_circle_the_line_closes():
    rows = table(GRID).sample(frac=1, random_state=0)
    figure = curves.polar_figure(rows, noise(rows), 0.95)
    assert [axes.name for axes in figure.axes] == ["polar"] * 4
    chosen = rows.query(
        "model == 'finetuned' and input == 'rotated' and attribution == 'smoothgrad'"
        " and metric == 'auroc'"
    ).sort_values("angle")
    panel = lines(figure.axes[3])
    (line,) = [ln for ln in figure.axes[3].get_lines() if ln.get_label() == INPUTS["rotated"]]
    marked = line.get_xydata()[line.get_markevery()]
    assert np.rad2deg(marked[:, 0]) == pytest.approx([*range(0, 361, 45)])
    assert marked[:, 1].tolist() == [*chosen["value"], chosen["value"].iloc[0]]
    # between them it goes from one to the next, and what is constant is a circle
    angles = np.rad2deg(line.get_xdata())
    expected = np.interp(angles, np.rad2deg(marked[:, 0]), marked[:, 1])
    assert len(angles) > 300 and line.get_ydata() == pytest.approx(expected)
    at = np.searchsorted(angles.round(6), [*GRID, 360])
    for label, column in (f"{INPUTS['rotated']}: chance", "chance"), (OWN_CUT, "own_cut"):
        closed = [*chosen[column], chosen[column].iloc[0]]
        assert panel[label][at, 1] == pytest.approx(closed)
    floor = panel[f"{INPUTS['rotated']}: noise floor"][:, 1]
    assert floor == pytest.approx(chosen["value"].mean() + 1.96 * 0.02, rel=1e-4)


def test_an_arc_that_was_not_swept_is_not_drawn():
    figure = curves.polar_figure(table(GRID[:4]), noise(table(GRID))[:0], 0.95)
    angles = np.rad2deg(lines(figure.axes[0])["map of x"][:, 0])
    assert angles.min() == 0 and angles.max() == pytest.approx(135)


def test_the_periodogram_stands_beside_its_threshold():
    """Of what is asked of each input, of the sweep that is shown; all else has other powers."""
    keys = table([0])
    rows = keys.merge(pd.DataFrame({"cycles": range(1, 5)}), how="cross").drop(columns=["training"])
    power, threshold = np.random.default_rng(0).random((2, len(rows)))
    asked = {"original": "excess", "rotated": "turning"}
    rows = rows.assign(power=power, threshold=threshold, series=rows["input"].map(asked))
    mine = rows.assign(**DIAGONAL)
    others = [
        mine.assign(series="value"),
        mine[mine["input"] == "rotated"].assign(series="excess"),
        rows.assign(training="fixed", sweep="train", held_angle=0.0),
        rows.assign(training="random", sweep="diagonal", held_angle=np.nan),
    ]
    others = [other.assign(power=2.0, threshold=3.0) for other in others]
    figure = periods.periodogram_figure(pd.concat([*others, mine]), keys, 0.8)
    panel = figure.axes[len(METRICS) + list(METRICS).index("auroc")]
    bars = {b.get_label(): [p.get_height() for p in b] for b in panel.containers}
    chosen = of(mine, model="finetuned", attribution="smoothgrad", metric="auroc")
    for (input_, name), line in zip(INPUTS.items(), panel.get_lines(), strict=True):
        of_input = of(chosen, input=input_).sort_values("cycles")
        assert bars[name] == of_input["power"].tolist()
        assert line.get_ydata().tolist() == of_input["threshold"].tolist()
        assert line.get_label() == "what noise exceeds in 20 % of curves"


def test_training_has_a_line_per_angle_and_their_mean():
    keys = pd.DataFrame({"dataset": ["brains"], "view": "plain", "encoder": "e", "method": "moco"})
    words = pd.DataFrame({"training": ["none", "random"], "angle": np.nan})
    trained = pd.concat([pd.DataFrame({"training": "fixed", "angle": GRID}), words])
    rows = keys.merge(trained, how="cross")
    each = {"seed": [0, 1], "stage": ["pretrain", "finetune"], "epoch": [1, 2, 3]}
    for column, values in each.items():
        rows = rows.merge(pd.DataFrame({column: values}), how="cross")
    columns = ["loss", "top1", "spread", "validation_dice"]
    rows[columns] = np.random.default_rng(0).random((len(rows), 4))
    figure = training.training_figure(rows)
    for axes, (stage, column) in zip(figure.axes, training.CURVES, strict=False):
        drawn = axes.get_lines()
        of_stage = of(rows, stage=stage)
        runs = [{"angle": angle} for angle in GRID] + [{"training": w} for w in ("none", "random")]
        for line, run in zip(drawn[:-1], runs, strict=True):
            expected = of(of_stage, **run).groupby("epoch")[column].mean()
            np.testing.assert_allclose(line.get_ydata(), expected)
        expected = of_stage.groupby("epoch")[column].mean()
        np.testing.assert_allclose(drawn[-1].get_ydata(), expected)
        assert [line.get_label() for line in drawn[-3:]] == ["θ: none", "θ: random", "mean of all"]
    assert f"{2 * (len(GRID) + 2)} training runs" in figure.get_suptitle()


def test_samples_show_every_image_above_its_mask():
    for channels in (1, 3, 4):
        images = noise_images(2, channels)
        masks = np.stack([0 * images[0, 0], square_mask(16, (0, 4), (0, 16), label=2)])
        figure = pictures.samples_figure(images, masks, ["a", "b"], "brains")
        grid = np.array(figure.axes).reshape(2, 2)
        assert [axes.get_title() for axes in grid[0]] == ["a", "b"]
        assert [axes.get_xlabel() for axes in grid[1]] == ["0 % foreground", "25 % foreground"]
        shown = np.asarray(grid[0, 1].images[0].get_array())
        expected = images[1].transpose(1, 2, 0) if channels == 3 else images[1, 0]
        np.testing.assert_array_equal(shown, expected)


def test_pairs_show_each_item_above_its_turned_self():
    rng = np.random.default_rng(0)
    images = {view: rng.random((2, 3, 16, 16)) for view in INPUTS}
    masks = {view: np.zeros((2, 16, 16), int) for view in INPUTS}
    masks["original"][:, :4], masks["rotated"][:, :, :4] = 1, 1
    maps = {f"{m}.{v}": rng.random((2, 16, 16)) for m in MODELS for v in INPUTS}
    figure = pictures.pairs_figure(images, masks, maps, "brains")
    grid = np.array(figure.axes).reshape(4, 6)
    second_turned = [np.asarray(axes.images[0].get_array()) for axes in grid[3]]
    np.testing.assert_array_equal(second_turned[0], images["rotated"][1].transpose(1, 2, 0))
    np.testing.assert_array_equal(second_turned[1], masks["rotated"][1])
    np.testing.assert_array_equal(second_turned[4], maps["finetuned.rotated"][1])
    marked = second_turned[5] > 0
    assert marked.sum() == 64
    assert maps["finetuned.rotated"][1][marked].min() > maps["finetuned.rotated"][1][~marked].max()


RELIABLE = {f"{m}.{i}": 0.1 for m in MODELS for i in INPUTS}


def test_saliency_figure(tmp_path):
    rng = np.random.default_rng(0)
    mask = square_mask(16, (4, 9), (4, 9), label=2)
    valid = {f"valid.{i}": np.ones((16, 16), bool) for i in INPUTS}
    maps = {
        angle: valid | {f"{m}.{i}": rng.random((16, 16)) for m in MODELS for i in INPUTS}
        for angle in (0.0, 45.0)
    }
    sizes = []
    for channels, name in product((1, 3, 4), ("one.png", "two.png")):
        (image,) = noise_images(1, channels)
        figure = pictures.saliency_figure(image, mask, maps, RELIABLE, "brains: item 3")
        save(figure, [tmp_path / name], {})
        sizes.append(imread(tmp_path / name).shape[:2])
    assert len(set(sizes)) == 1


def test_saliency_figure_tells_dice_and_reliability_of_its_maps():
    mask = square_mask(16, (4, 8), (4, 8))
    off = np.roll(mask, 2, axis=0)
    arrays = {f"valid.{i}": np.ones((16, 16), bool) for i in INPUTS}
    for model in MODELS:
        arrays |= {f"{model}.original": mask, f"{model}.rotated": off}
    image = np.zeros((3, 16, 16), np.uint8)
    reliable = {f"{m}.{i}": 0.2 + 0.15 * k for k, (m, i) in enumerate(product(MODELS, INPUTS))}
    figure = pictures.saliency_figure(image, mask, {45.0: arrays}, reliable, "brains")
    grid = np.array(figure.axes).reshape(4, 3)
    assert [axes.get_xlabel() for axes in grid[:, 2]] == ["Dice 1.00", "Dice 0.50"] * 2
    assert (grid[1, 2].get_images()[0].get_array() == off).all()
    assert grid[0, 1].get_title() == "θ = 45°: map"
    said = [axes.get_ylabel().split("\n")[-1] for axes in grid[:, 0]]
    assert said == [f"reliability {r}" for r in ("0.20", "0.35", "0.50", "0.65")]


def test_the_picture_that_is_shown_is_the_one_that_was_mapped():
    masks = np.zeros((3, 4, 4), np.uint8)
    masks[0, 0], masks[1, :2] = 1, 1  # the first is of middle size
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 4), np.uint8)
    arrays = {"masks": masks, "items": np.array([5, 2, 3])}
    shown, image, mask = pictures.example(arrays, images, "disc")
    assert shown == 0 and (image == 5).all() and (mask == masks[0]).all()
    turned = arrays | {"images": images[:3] + 50}
    assert (pictures.example(turned, images, "disc")[1] == 50).all()
    assert (pictures.mapped_images(turned, images)[:, 0, 0, 0] == [50, 51, 52]).all()


def test_marked_pixels_lie_where_the_view_shows_something_and_are_scored_there():
    """The mask has twelve of sixteen pixels there, and the map claims most what is not shown."""
    mask = square_mask(16, (4, 8), (4, 8)) > 0
    shown = np.ones((16, 16), bool)
    shown[4] = False
    rank = np.random.default_rng(0).permutation(256).reshape(16, 16) / 256 + 0.1
    saliency = rank + 2 * ~shown
    marked, score = pictures.marked_pixels(saliency, mask, shown)
    highest = np.sort(rank[shown])[-12:]
    assert marked.tolist() == (shown & np.isin(rank, highest)).tolist() and marked.sum() == 12
    assert score == pytest.approx(2 * (marked & mask).sum() / 24)
    whole = {f"{m}.{i}": rank for m in MODELS for i in INPUTS}
    whole |= {f"{m}.rotated": saliency for m in MODELS}
    whole |= {"valid.original": np.ones_like(shown), "valid.rotated": shown}
    image = np.zeros((1, 16, 16), np.uint8)
    figure = pictures.saliency_figure(image, mask, {45.0: whole}, RELIABLE, "brains")
    grid = np.array(figure.axes).reshape(4, 3)
    drawn = [grid[row, 2].get_images()[0].get_array() for row in (0, 1)]
    assert (drawn[1] == marked).all() and drawn[0].sum() == 16


def test_the_factorial_shows_every_combination_and_its_means():
    """Models and inputs apart, without what was not trained at an angle."""
    rows = table([*product(GRID, GRID[:4]), ("none", 0), ("random", 45)])
    figure = periods.factorial_figure(rows.sample(frac=1, random_state=0), "auroc")
    chosen = of(rows, attribution=ATTRIBUTION, metric="auroc", training="fixed")
    for row, model in enumerate(("pretrained", "finetuned")):
        *panels, margins = figure.axes[3 * row : 3 * row + 3]
        for panel, (input_, name) in zip(panels, INPUTS.items(), strict=True):
            cells = of(chosen, model=model, input=input_)
            cells = cells.pivot(index="angle", columns="eval_angle", values="value")
            np.testing.assert_array_equal(panel.images[0].get_array(), cells)
            for what, axis, theta in ("trained", 1, GRID), ("evaluated", 0, GRID[:4]):
                margin = lines(margins)[f"{name}: {what} at θ"]
                assert margin[:, 0].tolist() == theta
                assert margin[:, 1].tolist() == cells.mean(axis=axis).tolist()


def test_orientations_are_drawn_beside_what_they_tell():
    theta, directions = np.arange(0, 360, 90.0), np.arange(0, 180, 45.0)
    kinds, cells = ("hog", "structure_tensor"), (16, 32, 48, 64, 80)
    histogram, likeness, svm = (
        pd.DataFrame(list(product(first, second)), columns=columns)
        for first, second, columns in (
            (kinds, directions, ["histogram", "direction"]),
            (kinds, theta, ["histogram", "theta"]),
            (cells, theta, ["hog_cell", "theta"]),
        )
    )
    rng = np.random.default_rng(0)
    for frame, column in (histogram, "value"), (likeness, "value"), (svm, "accuracy"):
        frame[column] = rng.uniform(0.1, 1, len(frame))
        frame["ci_low"], frame["ci_high"] = frame[column] - 0.1, frame[column] + 0.1
    svm["n_items"] = 9
    figure = orientation.orientation_figure(histogram, likeness, svm, "brains")
    assert "brains" in figure.get_suptitle() and "9 images" in figure.get_suptitle()
    polar, correlation, accuracy = figure.axes
    first = polar.get_lines()[0].get_xydata()
    shares = of(histogram, histogram="hog")["value"].tolist()
    assert first[:, 1].tolist() == shares * 2 + shares[:1]  # both ways round, and closed
    assert np.rad2deg(first[:, 0]) % 360 == pytest.approx([*range(0, 360, 45), 0])
    assert lines(correlation).keys() == {f"histogram: {kind}" for kind in kinds}
    assert lines(accuracy).keys() == {*(f"hog_cell: {cell}" for cell in cells), "chance"}
    drawn = lines(accuracy)["hog_cell: 80"]
    assert drawn.tolist() == of(svm, hog_cell=80)[["theta", "accuracy"]].to_numpy().tolist()
    drawn = lines(correlation)["histogram: hog"]
    assert drawn.tolist() == of(likeness, histogram="hog")[["theta", "value"]].to_numpy().tolist()


def test_without_a_period_the_figure_says_so():
    """As with one angle: the table has its columns and no row."""
    empty = periodogram_table(arrange([score_rows([0], 0.5)]), analysis().tests, 0.95)
    figure = periods.periodogram_figure(empty, table([0]), 0.95)
    assert not figure.axes and "brains" in figure.get_suptitle()
    assert any("resolve no period" in text.get_text() for text in figure.texts)
