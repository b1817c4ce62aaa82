import json
from itertools import product
from xml.etree import ElementTree

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
from factories import (
    analysis,
    curves_of,
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
from thetascope.report.figures import curves, orientation, peaks, periods, pictures, training
from thetascope.report.figures.style import (
    INPUTS,
    METRICS,
    MODELS,
    OUTLINE,
    SUPPLEMENT,
    save,
)
from thetascope.vocabulary import ATTRIBUTION

OWN_CUT = "own cut: map of x, cut to the same pixels"
GRID = [float(angle) for angle in range(0, 360, 45)]
MAPS = [
    *((model, ATTRIBUTION) for model in MODELS),
    *(("baseline", name) for name in (*curves.BASELINES, "footprint")),
    ("finetuned", "another"),
]
PANELS = list(product(MODELS, INPUTS))  # rows of an arm
KIND = ["view", "encoder", "method", "model", "input", "attribution", "metric"]
DIAGONAL = {"training": "fixed", "sweep": "diagonal", "held_angle": np.nan}


def table(angles, **names):
    """Rows of `dice.csv` of all that is drawn, and of some that is not."""
    metrics = [*METRICS, *SUPPLEMENT, "pointing_game"]
    names = {"dataset": "brains", "input": [*INPUTS, "pair"], "metric": metrics} | names
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


def verdicts(rows, **found):
    """Rows of `verdict.csv`, one for each curve of one question; all is open unless it is said."""
    kinds = rows[KIND].drop_duplicates().assign(**DIAGONAL, question="main", verdict="open")
    return kinds.assign(period=90.0, amplitude=0.0123, amplitude_bound=0.0456, **found)


def draw(rows, halves=None, floors=None, found=None, metrics=METRICS, confidence=0.95):
    """The figure of curves, with no more than scores unless it is given."""
    tables = {
        "dice": rows,
        "noise": noise(rows)[:0] if floors is None else floors,
        "reliability": reliability()[:0] if halves is None else halves,
        "verdict": verdicts(rows)[:0] if found is None else found,
    }
    return curves.oscillation_figure(tables, confidence, metrics)


def panels(figure, metrics=METRICS):
    """Panels of the first arm: (model, input) → metric → axes."""
    grid = np.array(figure.axes).reshape(-1, len(metrics))
    return {of: dict(zip(metrics, row, strict=True)) for of, row in zip(PANELS, grid, strict=False)}


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def band(axes, place):
    """Lower and upper edge of a filled band, from left to right."""
    points = np.unique(axes.collections[place].get_paths()[0].vertices, axis=0)
    sides = [points[points[:, 0] == x, 1] for x in np.unique(points[:, 0])]
    return np.array([[side.min(), side.max()] for side in sides])


def title(axes):
    return axes.get_title(loc="left")


@pytest.mark.parametrize("metrics", [METRICS, SUPPLEMENT], ids=["declared", "supplement"])
def test_each_panel_shows_one_curve_and_all_that_it_is_held_against(metrics):
    rows = table(GRID).sample(frac=1, random_state=0)
    shown = panels(draw(rows, metrics=metrics), metrics)
    for (model, input_), metric in product(PANELS, metrics):
        panel = lines(shown[model, input_][metric])
        here = of(rows, input=input_, metric=metric).sort_values("angle")
        own = of(here, model=model, attribution=ATTRIBUTION)
        expected = {INPUTS[input_]: own["value"], "chance": own["chance"]}
        if input_ == "rotated":  # maps of x have no own cut
            expected[OWN_CUT] = own["own_cut"]
        for name, (label, *_) in curves.BASELINES.items():
            expected[label] = of(here, attribution=name)["value"]
        assert panel.keys() == expected.keys()
        for label, values in expected.items():
            assert panel[label].tolist() == [list(pair) for pair in zip(GRID, values, strict=True)]
        limits = own[["ci_low", "ci_high"]].to_numpy()
        assert band(shown[model, input_][metric], 0) == pytest.approx(limits)


def test_a_metric_has_one_scale_and_its_name_above_it():
    figure = draw(table(GRID))
    for place, name in enumerate(METRICS.values()):
        column = figure.axes[place :: len(METRICS)]
        assert [name in title(axes) for axes in column] == [True, False, False, False]
        assert len({axes.get_ylim() for axes in column}) == 1
    assert figure.get_figwidth() == 7


def test_what_lies_upon_each_other_is_told_apart_without_colour():
    axes = draw(table(GRID)).axes[len(METRICS)]  # of R_θ x
    looks = {line.get_label(): line for line in axes.get_lines()}
    names = INPUTS["rotated"], "chance", OWN_CUT
    assert len({str(looks[name]._unscaled_dash_pattern) for name in names}) == 3


def test_the_verdict_stands_above_its_own_panel():
    """Of the sweep and the map that are shown; another has another."""
    rows = table(GRID, view=["disc", "plain"])
    own = verdicts(of(rows, attribution=ATTRIBUTION), question="turning")
    own = own.assign(amplitude_bound=np.arange(len(own)) / 1000)
    own = own[own["input"] == "rotated"]
    others = [
        own.assign(training="random", amplitude_bound=9),
        own.assign(sweep="train", held_angle=45.0, amplitude_bound=9),
        own.assign(attribution="another", amplitude_bound=9),
    ]
    figure = draw(rows, found=pd.concat([*others, own]).sample(frac=1, random_state=0))
    grid = np.array(figure.axes).reshape(2, len(PANELS), len(METRICS))
    assert "verdict" in figure.get_suptitle()
    for (i, view), (j, (model, input_)), (k, metric) in product(
        enumerate(("disc", "plain")), enumerate(PANELS), enumerate(METRICS)
    ):
        row = of(own, view=view, model=model, input=input_, metric=metric)
        said = title(grid[i, j, k]).split("\n")[-1]
        bound = row["amplitude_bound"].tolist()
        assert said == (f"open: up to {bound[0]:.3f}" if bound else "no question was declared")


def test_two_questions_about_one_curve_are_told_apart():
    rows = table(GRID)
    found = [verdicts(rows), verdicts(rows, question="other", verdict="no wave")]
    said = title(draw(rows, found=pd.concat(found)).axes[2]).replace("\n", " ")
    assert said == "main: open: up to 0.046; other: no wave above 0.046"


def test_where_no_question_was_declared_the_figure_says_so_once():
    rows = table(GRID)
    figure = draw(rows, found=of(verdicts(rows), metric="auroc"))
    assert title(figure.axes[2]) == "no question was declared"
    figure = draw(rows, found=of(verdicts(rows), metric="auroc"), metrics=SUPPLEMENT)
    assert "No question was declared" in figure.get_suptitle()
    assert title(figure.axes[len(SUPPLEMENT)]) == ""


@pytest.mark.parametrize("angles", [[0], [0, 90], [0, 90, 180]])
def test_fewer_than_three_angles_are_no_curve(angles):
    """Marks without a line, every kind another, and a sentence that says so."""
    figure = draw(table([*angles, *(("none", a) for a in angles)]))
    drawn = [line for axes in figure.axes for line in axes.get_lines()]
    assert {len(line.get_xdata()) for line in drawn} == {len(angles)}
    curve = len(angles) == 3
    references = {"chance", OWN_CUT, "no self-supervision"}
    named = {*INPUTS.values(), *references, *(label for label, *_ in curves.BASELINES.values())}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == named
    assert {line.get_linestyle() == "None" for line in drawn} == {not curve}
    assert ("no curve" in figure.get_suptitle()) == (not curve)
    assert ("verdict" in figure.get_suptitle() or "question" in figure.get_suptitle()) == curve
    if not curve:
        said = "one angle" if len(angles) == 1 else "2 angles"
        assert said in figure.get_suptitle()
        panel = figure.axes[len(METRICS)].get_lines()
        assert len({line.get_marker() for line in panel}) == len(panel) == 7


def test_few_angles_have_their_intervals():
    rows = table([0, 90])
    own = of(rows, model="pretrained", attribution=ATTRIBUTION, input="original", metric="auroc")
    (bars,) = panels(draw(rows))["pretrained", "original"]["auroc"].collections
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == own[["ci_low", "ci_high"]].to_numpy().tolist()


def test_reliability_stands_beside_its_own_model_input_and_arm():
    names = {"model": list(MODELS), "view": ["disc", "plain"]}
    halves = reliability(**names, encoder=["e", "other"])
    figure = draw(table(GRID, view=["disc", "plain"]), halves.sample(frac=1, random_state=0))
    labels = [axes.get_ylabel() for axes in figure.axes[:: len(METRICS)]]
    for label, (view, (model, input_)) in zip(labels, product(names["view"], PANELS), strict=True):
        own = of(halves, view=view, model=model, encoder="e", input=input_)["reliability"].item()
        assert label == f"{MODELS[model]}\n{INPUTS[input_]}\nreliability {own:.2f}\n{view}"
    unknown = draw(table(GRID), halves.assign(reliability=np.nan)).axes[0].get_ylabel()
    assert unknown == f"{MODELS['pretrained']}\n{INPUTS['original']}"


def test_items_are_counted_where_curves_are_drawn():
    """Maps that are not in the figure may have other items."""
    rows = table(GRID)
    rows.loc[rows["attribution"] == "another", "n_items"] = 0
    figure = draw(rows, confidence=0.9)
    assert " over 12 test items × 4 seeds" in figure.get_suptitle()
    assert "90 %" in figure.get_suptitle()
    rows.loc[rows["angle"] == 45, ["n_items", "n_seeds"]] = 9, 3
    said = draw(rows).get_suptitle().replace("\n", " ")
    assert " over 9 to 12 test items × 4 seeds" in said


def test_reference_without_training_is_drawn_at_each_evaluation():
    rows = table([*GRID, *(("none", a) for a in GRID)])
    panel = lines(panels(draw(rows))["finetuned", "rotated"]["dice_area"])
    own = of(rows, training="none", model="finetuned", input="rotated", metric="dice_area")
    own = of(own, attribution=ATTRIBUTION).sort_values("eval_angle")
    assert panel["no self-supervision"].tolist() == own[["eval_angle", "value"]].values.tolist()


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
    reference = lines(draw(rows).axes[0])["no self-supervision"]
    assert len(reference) == len(GRID) and np.ptp(reference[:, 1]) == 0


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


def test_text_stays_text_and_is_laid_out_once(tmp_path):
    """In SVG: words are to be found; in both files at the same places."""
    figure = draw(table(GRID))
    save(figure, [tmp_path / "a.svg"], {})
    text = "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
    for words in (*METRICS.values(), "Pretrained encoder", "brains", "own cut"):
        assert words in text
    before = [axes.get_position().bounds for axes in figure.axes]
    figure.suptitle("\n" * 9)
    save(figure, [tmp_path / "a.png"], {})
    assert [axes.get_position().bounds for axes in figure.axes] == before


@pytest.mark.parametrize(
    ("cell_sd", "half"), [(0.04, 1.96 * 0.02), (0.1, 1.96 * 0.05), (np.nan, None), (0, None)]
)
def test_the_noise_floor_is_that_of_a_point(cell_sd, half):
    rows = table(GRID)
    for input_ in INPUTS:
        axes = panels(draw(rows, floors=noise(rows, cell_sd)))["pretrained", input_]["dice_area"]
        if half is None:
            assert not axes.patches
            continue
        (floor,) = axes.patches
        curve = lines(axes)[INPUTS[input_]][:, 1]
        assert floor.get_height() == pytest.approx(2 * half, rel=1e-4)
        assert floor.get_y() + floor.get_height() / 2 == pytest.approx(curve.mean())
        assert "noise floor" in floor.get_label()


def test_the_noise_floor_is_that_of_the_sweep_that_is_shown():
    """Held at an angle, or at none; of another confidence."""
    for angles, place in (
        ([(a, 45) for a in GRID], {"sweep": "train", "held_angle": 45.0}),
        ([("none", a) for a in GRID], {"training": "none", "sweep": "eval"}),
    ):
        rows = table(angles)
        known = noise(rows)  # 0.3 but on the diagonal
        assert len(of(known, **place)) == len(rows) / len(GRID)
        (floor,) = draw(rows, floors=known, confidence=0.5).axes[0].patches
        assert floor.get_height() == pytest.approx(2 * 0.6745 * 0.3 / 2, rel=1e-4)


def spectrum(cycles):
    """Rows of `periodogram.csv` of the curves of `table`, all that is drawn, and their keys."""
    keys = table([0])
    places = pd.DataFrame({"cycles": cycles, "period": np.round(360 / np.array(cycles), 4)})
    rows = keys.merge(places, how="cross").drop(columns=["training"])
    thresholds = dict(zip(MODELS, (0.7, 0.8), strict=True))
    asked = {"original": "excess", "rotated": "turning"}
    rows["power"] = np.random.default_rng(0).random(len(rows))
    rows["threshold"] = rows["model"].map(thresholds) + (rows["input"] == "rotated") / 10
    return keys, rows.assign(series=rows["input"].map(asked))


def test_the_periodogram_stands_beside_its_threshold():
    """Of what is asked of each input, of the sweep that is shown; all else has other powers."""
    keys, rows = spectrum(range(1, 5))
    mine = rows.assign(**DIAGONAL)
    others = [
        mine.assign(series="value"),
        mine[mine["input"] == "rotated"].assign(series="excess"),
        rows.assign(training="fixed", sweep="train", held_angle=0.0),
        rows.assign(training="random", sweep="diagonal", held_angle=np.nan),
    ]
    others.append(mine.assign(view="z"))  # another arm
    others = [other.assign(power=2.0, threshold=3.0) for other in others]
    every, keys = pd.concat([*others, mine]), pd.concat([keys, keys.assign(view="z")])
    figure = periods.periodogram_figure(every, keys, [360, 180, 120, 90], 0.8)
    assert len(figure.axes) == 8
    for panel, (model, metric) in zip(figure.axes[:4], product(MODELS, METRICS), strict=True):
        bars = {b.get_label(): [p.get_height() for p in b] for b in panel.containers}
        chosen = of(mine, model=model, attribution="smoothgrad", metric=metric)
        for (input_, name), line in zip(INPUTS.items(), panel.get_lines(), strict=True):
            of_input = of(chosen, input=input_).sort_values("cycles")
            assert bars[name] == of_input["power"].tolist()
            assert set(line.get_ydata()) == set(of_input["threshold"])
            assert "noise reaches this in 20 % of curves" in line.get_label()
        assert bars.keys() == set(INPUTS.values())


def test_the_periodogram_says_which_periods_were_declared():
    """360 / 7 is written with a few digits; 100 is no period of the grid."""
    for count, ticks in (
        (7, ["360°", "180°", "120°", "90°", "72°", "60°", "51.43°"]),
        (
            12,
            ["180°", "51.43°"],
        ),
    ):
        keys, rows = spectrum(range(1, count + 1))
        declared = [180, 100, 360 / 7]
        figure = periods.periodogram_figure(rows.assign(**DIAGONAL), keys, declared, 0.8)
        figure.draw_without_rendering()
        assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == ticks
        for panel in figure.axes:
            bars = {b.get_label(): b for b in panel.containers}
            for name, side in zip(INPUTS.values(), (-1, 1), strict=True):
                full, pale = bars[name], bars[f"{name}: period not declared"]
                at = [bar.get_x() + bar.get_width() / 2 - side * 0.2 for bar in full]
                assert at == pytest.approx([2, 7]) and len(pale) == count - 2
                assert full[0].get_alpha() == 1 and pale[0].get_alpha() < 0.5


def test_training_shows_mean_and_range_over_angles_and_apart_what_is_not_turned():
    """0 and 360 are no turn; `random` and `none` have no angle. One run stops early."""
    keys = pd.DataFrame({"dataset": ["brains"], "view": "plain", "encoder": "e", "method": "moco"})
    words = pd.DataFrame({"training": ["none", "random"], "angle": np.nan})
    trained = pd.concat([pd.DataFrame({"training": "fixed", "angle": [*GRID, 360]}), words])
    rows = keys.merge(trained, how="cross")
    each = {"seed": [0, 1], "stage": ["pretrain", "finetune"], "epoch": [1, 2, 3]}
    for column, values in each.items():
        rows = rows.merge(pd.DataFrame({column: values}), how="cross")
    columns = ["loss", "top1", "spread", "validation_dice"]
    rows[columns] = np.random.default_rng(0).random((len(rows), 4))
    rows = rows[(rows["angle"] != 45) | (rows["epoch"] < 3)]
    other = rows.assign(method="other", **dict.fromkeys(columns, 9.0))
    figure = training.training_figure(pd.concat([other, rows]))
    for axes, (stage, column) in zip(figure.axes, training.CURVES, strict=False):
        of_stage = of(rows, stage=stage)
        kinds = {
            "other θ: mean": of_stage[of_stage["angle"] % 360 > 0],
            "θ = 0: both pictures are the same": of_stage[of_stage["angle"] % 360 == 0],
            "θ: none": of(of_stage, training="none"),
            "θ: random": of(of_stage, training="random"),
        }
        drawn = lines(axes)
        assert drawn.keys() == kinds.keys()
        for name, runs in kinds.items():
            means = runs.groupby(["angle", "epoch"], dropna=False)[column].mean().reset_index()
            expected = means.groupby("epoch")[column].agg(["mean", "min", "max"])
            np.testing.assert_allclose(drawn[name][:, 1], expected["mean"])
            if name == "other θ: mean":
                np.testing.assert_allclose(band(axes, 0), expected[["min", "max"]])
    assert f"{2 * 2 * (len(GRID) + 3)} training runs" in figure.get_suptitle()
    alone = training.training_figure(of(rows, angle=0))
    assert lines(alone.axes[0]).keys() == {"θ = 0: both pictures are the same"}


def test_what_no_run_has_is_left_out_of_the_figure_of_training():
    rows = pd.DataFrame({"dataset": "d", "view": "plain", "encoder": "e", "method": "moco"}, [0, 1])
    rows = rows.assign(training="fixed", angle=30.0, seed=0, stage="pretrain", epoch=[1, 2])
    rows = rows.assign(loss=[2.0, 1.0], top1=0.5, spread=0.9)
    figure = training.training_figure(rows)
    titled = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert len(titled) == 3 and not any("Fine-tuning" in title for title in titled)
    assert "Fine-tuning" not in figure.get_suptitle()


def test_samples_without_masks_are_images_alone():
    images = noise_images(2, 3)
    figure = pictures.samples_figure(images, None, ["a", "b"], "brains")
    assert len(figure.axes) == 2
    shown = np.asarray(figure.axes[1].images[0].get_array())
    np.testing.assert_array_equal(shown, images[1].transpose(1, 2, 0))


def test_pairs_without_masks_or_without_a_fine_tuned_model():
    rng = np.random.default_rng(0)
    images = {view: rng.random((2, 3, 16, 16)) for view in INPUTS}
    none = {view: np.zeros((2, 16, 16), int) for view in INPUTS}
    maps = {f"pretrained.{v}": rng.random((2, 16, 16)) for v in INPUTS}
    bare = np.array(pictures.pairs_figure(images, none, maps, "brains").axes).reshape(4, 2)
    assert [axes.get_title() for axes in bare[0]] == ["image", "Pretrained\nencoder"]
    shown = np.asarray(bare[3, 1].images[0].get_array())
    np.testing.assert_array_equal(shown, maps["pretrained.rotated"][1])
    masks = {view: none[view] + square_mask(16, (0, 4), (0, 16)) for view in INPUTS}
    untuned = np.array(pictures.pairs_figure(images, masks, maps, "brains").axes).reshape(4, 4)
    assert (np.asarray(untuned[0, 3].images[0].get_array()) > 0).sum() == 64


def test_the_probe_has_a_curve_for_each_arm_beside_chance():
    names = {"model": "pretrained", "input": "pair", "attribution": "probe"}
    names |= {"metric": "probe_accuracy", "encoder": ["e", "f"]}
    rows = dice_rows(GRID, **names).assign(chance=0.5, own_cut=np.nan)
    tables = {"dice": rows, "noise": noise(rows), "verdict": verdicts(rows)[:0]}
    figure = curves.probe_figure(tables, 0.95)
    assert len(figure.axes) == 2
    for axes, encoder in zip(figure.axes, ("e", "f"), strict=True):
        drawn = lines(axes)
        np.testing.assert_allclose(drawn["both pictures"][:, 1], of(rows, encoder=encoder)["value"])
        assert set(drawn["chance"][:, 1]) == {0.5}
        assert encoder in axes.get_ylabel()
    assert "No question was declared" in figure.get_suptitle().replace("\n", " ")


def test_every_arm_of_the_probe_has_its_own_noise_floor_and_verdict():
    names = {"model": "pretrained", "input": "pair", "attribution": "probe"}
    rows = dice_rows(GRID, metric="probe_accuracy", encoder=["e", "f"], **names)
    floors = noise(rows).assign(cell_sd=lambda n: np.where(n["encoder"] == "e", 0.1, 0.2))
    floors = pd.concat([floors, floors.assign(attribution="perceptron", cell_sd=0.3)])
    found = verdicts(rows).assign(amplitude_bound=[0.01, 0.02])
    other = found.assign(sweep="train", held_angle=45.0, amplitude_bound=9)
    tables = {"dice": rows, "noise": floors, "verdict": pd.concat([other, found])}
    figure = curves.probe_figure(tables, 0.5)
    for axes, half, bound in zip(figure.axes, (0.1, 0.2), ("0.010", "0.020"), strict=True):
        (floor,) = axes.patches
        assert floor.get_height() == pytest.approx(2 * 0.6745 * half, rel=1e-4)
        assert title(axes) == f"open: up to {bound}"
    assert "50 % bootstrap intervals" in figure.get_suptitle()


def test_peaks_are_marked_where_a_curve_is_told_from_a_flat_one():
    """Of the value, in one of two arms; other series and arms have none, or others."""
    rows = table(GRID, view=["disc", "plain"])
    kinds = rows[KIND].drop_duplicates().assign(**DIAGONAL, series="value")
    place = {"model": "pretrained", "input": "rotated", "attribution": "smoothgrad"}
    here = (kinds[[*place, "view"]] == [*place.values(), "plain"]).all(axis=1)
    peaks_rows = kinds.assign(peak_angle=np.where(here, 90.0, np.nan), peak_value=0.5)
    peaks_rows = pd.concat([kinds.assign(series="excess", peak_angle=45.0), peaks_rows])
    waves = kinds.assign(period=180.0, phase_deg=85.0, phase_ci_low=-15.0, phase_ci_high=5.0)
    waves = pd.concat([waves.assign(p_max=0.07), waves.assign(p_max=0.08, period=90.0)])
    waves = pd.concat([waves.assign(series="excess", p_max=0.01, period=120.0), waves])
    tables = {"dice": rows, "peaks": peaks_rows, "oscillation": waves}
    figure = peaks.peaks_figure(tables, 0.9)
    panels_ = list(product(("disc", "plain"), peaks.KINDS, INPUTS))
    for axes, (view, (model, attribution), input_) in zip(figure.axes, panels_, strict=True):
        shown = {"model": model, "attribution": attribution, "input": input_}
        curve = of(rows, view=view, metric="dice_area", **shown)["value"]
        assert lines(axes)[INPUTS[input_]][:, 1].tolist() == curve.tolist()
        spans = [(span.get_x(), span.get_x() + span.get_width()) for span in axes.patches]
        if shown != place or view == "disc":
            assert peaks.NO_PEAK in title(axes) and not spans
            continue
        assert "peak at 90°; wave of 180°, crest at 85° [-15°, 5°]" in title(axes)
        np.testing.assert_allclose(lines(axes)["peak of the curve"], [[90, 0.5]])
        # 20 degrees wide, every 180, and the one that ends beyond 0
        assert sorted(spans) == [(-15, 5), (165, 185), (345, 365)]
    quiet = peaks.peaks_figure(tables | {"oscillation": waves.assign(p_max=0.2)}, 0.9)
    assert title(quiet.axes[7]).endswith("peak at 90°")


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
        mask = grid[1, 1].images[0]
        colours = {tuple(colour) for colour in mask.to_rgba(mask.get_array()).reshape(-1, 4)}
        assert {matplotlib.colors.to_hex(colour) for colour in colours} == {
            "#000000",
            OUTLINE.lower(),
        }


def test_pairs_show_each_item_above_its_turned_self():
    rng = np.random.default_rng(0)
    images = {view: rng.random((2, 3, 16, 16)) for view in INPUTS}
    masks = {view: np.zeros((2, 16, 16), int) for view in INPUTS}
    masks["original"][:, :4], masks["rotated"][:, :, :3] = 1, 1  # a corner was cut off
    maps = {f"{m}.{v}": rng.random((2, 16, 16)) for m in MODELS for v in INPUTS}
    figure = pictures.pairs_figure(images, masks, maps, "brains")
    grid = np.array(figure.axes).reshape(4, 6)
    second_turned = [np.asarray(axes.images[0].get_array()) for axes in grid[3]]
    np.testing.assert_array_equal(second_turned[0], images["rotated"][1].transpose(1, 2, 0))
    np.testing.assert_array_equal(second_turned[1], masks["rotated"][1])
    np.testing.assert_array_equal(second_turned[4], maps["finetuned.rotated"][1])
    marked = second_turned[5] > 0
    assert marked.sum() == 48
    assert maps["finetuned.rotated"][1][marked].min() > maps["finetuned.rotated"][1][~marked].max()


def mapped(items=4, channels=1, seed=0):
    """What there is to show of one θ; scores are numbers of their own."""
    rng = np.random.default_rng(seed)
    squares = [square_mask(16, (1 + i, 6 + i), (4, 12), label=2) for i in range(items)]
    masks = {"original": np.stack(squares)}
    masks["rotated"] = np.rot90(masks["original"], axes=(1, 2))
    of_maps = list(product(MODELS, INPUTS))
    scores = pd.DataFrame(
        [(f"i{i}", *of_map) for of_map in of_maps for i in range(items)],
        columns=["item", "model", "input"],
    )
    scores[["value", "chance"]] = rng.uniform(0, 1, (len(scores), 2)).round(3)
    return pictures.Mapped(
        pictures={i: rng.random((items, channels, 16, 16)) for i in INPUTS},
        masks=masks,
        maps={f"{m}.{i}": rng.uniform(1, 2, (items, 16, 16)) for m, i in of_maps},
        scores=scores,
    )


def enclosed(panel):
    """Which pixels the outline in a panel goes round, bool [16, 16]."""
    (paths,) = [line.get_paths() for line in panel.collections]
    pixels = [(x, y) for y in range(16) for x in range(16)]
    return np.any([path.contains_points(pixels) for path in paths], axis=0).reshape(16, 16)


def figure_of(of_angle):
    halves = reliability(model=list(MODELS))
    return pictures.saliency_figure(of_angle, halves, "brains", "Trained at θ")


def test_the_pictures_of_a_saliency_figure_have_one_size(tmp_path):
    sizes = []
    for channels in (1, 3, 4):
        figure = figure_of({0.0: mapped(channels=channels), 45.0: mapped(channels=channels)})
        save(figure, [tmp_path / "one.png"], {})
        sizes.append(imread(tmp_path / "one.png").shape[:2])
    assert len(set(sizes)) == 1 and sizes[0][1] == 7 * 150


def test_a_model_whose_maps_have_no_known_reliability_says_so():
    """As those of a single noisy copy, which has no halves."""
    halves = reliability(model=list(MODELS))
    halves.loc[halves["model"] == "finetuned", "reliability"] = np.nan
    figure = pictures.saliency_figure({0.0: mapped()}, halves, "brains", "Trained at θ")
    said = figure.get_suptitle().replace("\n", " ")
    assert "fine-tuned model not known." in said and "pretrained encoder 0." in said


def test_saliency_shows_pictures_and_maps_of_best_and_worst_item_and_mean_maps():
    of_angle = {0.0: mapped(seed=1), 45.0: mapped(seed=2), 90.0: mapped(seed=3)}
    figure = figure_of(of_angle)
    grid = np.array(figure.axes[:-1]).reshape(8, 6)
    columns = list(product(of_angle, INPUTS))
    over = pd.concat([one.scores for one in of_angle.values()])
    over = (over["value"] - over["chance"]).groupby(over["item"]).mean()
    best, worst = (int(name[1:]) for name in (over.idxmax(), over.idxmin()))
    assert best != worst
    rows = [(i, model) for i in (best, worst) for model in ("", *MODELS)]
    rows += [(None, model) for model in MODELS]
    for (item, model), axes in zip(rows, grid, strict=True):
        for (theta, input_), panel in zip(columns, axes, strict=True):
            of, drawn = of_angle[theta], np.asarray(panel.images[0].get_array())
            outlined = [line.get_edgecolor() for line in panel.collections]
            if not model:
                np.testing.assert_array_equal(drawn, of.pictures[input_][item][0])
                assert (enclosed(panel) == (of.masks[input_][item] > 0)).all()
                assert panel.get_xlabel() == ""
                continue
            maps = of.maps[f"{model}.{input_}"]
            maps = maps / np.quantile(maps, 0.99, axis=(1, 2), keepdims=True)
            expected = maps.mean(axis=0) if item is None else maps[item]
            np.testing.assert_allclose(drawn, expected / np.quantile(expected, 0.99))
            assert panel.images[0].get_clim() == (0, 1)
            chosen = of.scores.query("model == @model and input == @input_")
            chosen = chosen if item is None else chosen.iloc[[item]]
            numbers = chosen["value"].mean(), chosen["chance"].mean()
            assert panel.get_xlabel() == "{:.2f} ({:.2f})".format(*numbers)
            if item is not None:
                assert (enclosed(panel) == (of.masks["original"][item] > 0)).all()
            assert bool(outlined) == (item is not None)  # masks of items differ
            assert all(matplotlib.colors.same_color(colour, OUTLINE) for colour in outlined)
    labels = [axes.get_ylabel().split("\n")[-1] for axes in grid[:, 0]]
    assert labels == ["best item"] * 3 + ["worst item"] * 3 + ["mean of 4"] * 2
    assert grid[0, 2].get_title() == "θ = 45°\nx" and grid[0, 3].get_title().endswith("R_θ x$")
    assert "99th percentile" in figure.axes[-1].get_xlabel()  # of the colour bar


def test_saliency_tells_the_reliability_of_its_maps():
    halves = reliability(model=list(MODELS))
    said = figure_of({45.0: mapped()}).get_suptitle().replace("\n", " ")
    for model, name in MODELS.items():
        own = of(halves, model=model).set_index("input")["reliability"]
        assert f"{name.lower()} {own['original']:.2f}, {own['rotated']:.2f}" in said


def test_best_and_worst_are_among_items_with_a_score():
    """Over all maps; the first that is left where there is a tie, and one alone is shown once."""
    rows = pd.DataFrame({"item": list("abcd") * 2, "chance": [0.1, 0.2, 0.5, np.nan] * 2})
    rows["value"] = [0.4, 0.5, 0.9, np.nan, 0.4, 0.8, 0.4, np.nan]
    assert pictures.extremes(rows) == [1, 2]  # over chance: 0.3, 0.45, 0.15
    assert pictures.extremes(rows.query("item in ('d', 'a')").iloc[::-1]) == [1, 1]
    assert pictures.extremes(of(rows, item="d")) == [0, 0]
    alone = mapped(items=1)
    grid = np.array(figure_of({0.0: alone}).axes[:-1]).reshape(5, 2)
    assert [axes.get_ylabel() for axes in grid[:2, 0]] == ["item", "pretrained\nitem"]


@pytest.mark.filterwarnings("error")
def test_without_a_score_or_a_mask_the_figure_says_so():
    none = mapped()
    none.scores[["value", "chance"]] = np.nan
    for masks in none.masks.values():
        masks[:] = 0
    none.maps["pretrained.original"][:] = 0
    figure = figure_of({0.0: none})
    figure.draw_without_rendering()
    grid = np.array(figure.axes[:-1])
    assert {axes.get_xlabel() for axes in grid} == {"", "no score"}
    assert not any(axes.collections for axes in grid)


def test_pictures_are_those_that_maps_are_of():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 4, 4), np.uint8)
    arrays = {"items": np.array([5, 2, 3])}
    assert pictures.mapped_images(arrays, images)[:, 0, 0, 0].tolist() == [5, 2, 3]
    turned = arrays | {"images": images[:3] + 50}
    assert pictures.mapped_images(turned, images)[:, 0, 0, 0].tolist() == [50, 51, 52]


def test_marked_pixels_lie_where_the_view_shows_something():
    """The mask has twelve of sixteen pixels there, and the map claims most what is not shown."""
    mask = square_mask(16, (4, 8), (4, 8)) > 0
    shown = np.ones((16, 16), bool)
    shown[4] = False
    rank = np.random.default_rng(0).permutation(256).reshape(16, 16) / 256 + 0.1
    saliency = rank + 2 * ~shown
    marked = pictures.marked_pixels(saliency, mask, shown)
    highest = np.sort(rank[shown])[-12:]
    assert marked.tolist() == (shown & np.isin(rank, highest)).tolist() and marked.sum() == 12


def test_the_factorial_shows_every_combination_and_its_means():
    """Models and inputs apart, without what was not trained at an angle."""
    pairs = [*product(GRID, GRID[:4]), ("none", 0), ("random", 45)]
    rows = table(pairs, view=["plain", "z"])  # two arms, of which the first stands above
    figure = periods.factorial_figure(rows.sample(frac=1, random_state=0), "auroc")
    chosen = of(rows, view="plain", attribution=ATTRIBUTION, metric="auroc", training="fixed")
    for row, model in enumerate(("pretrained", "finetuned")):
        *panels, margins = figure.axes[3 * row : 3 * row + 3]
        assert panels[0].get_ylabel().endswith("trained at θ (degrees)")
        assert {panel.get_xlabel() for panel in panels} == {"evaluated at θ (degrees)"}
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
        frame["ci_low"], frame["ci_high"] = frame[column] - 0.1, frame[column] + 0.2
    svm["n_items"] = 9
    figure = orientation.orientation_figure(histogram, likeness, svm, "brains")
    assert "brains" in figure.get_suptitle() and "9 images" in figure.get_suptitle()
    polar, correlation, accuracy = figure.axes
    first = polar.get_lines()[0].get_xydata()
    shares = of(histogram, histogram="hog")["value"].tolist()
    assert first[:, 1].tolist() == shares * 2 + shares[:1]  # both ways round, and closed
    assert np.rad2deg(first[:, 0]) % 360 == pytest.approx([*range(0, 360, 45), 0])
    around = polar.collections[0].get_paths()[0].vertices[:, 1]
    ends = of(histogram, histogram="hog")[["ci_low", "ci_high"]].to_numpy()
    assert set(around.round(9)) == set(ends.ravel().round(9))
    for axes, own in (correlation, of(likeness, histogram="hog")), (accuracy, of(svm, hog_cell=16)):
        assert band(axes, 0) == pytest.approx(own[["ci_low", "ci_high"]].to_numpy())
    assert lines(correlation).keys() == {"HoG", "structure tensor"}
    assert lines(accuracy).keys() == {*(f"HoG, cells of {cell} px" for cell in cells), "chance"}
    looks = [(line.get_color(), line.get_linestyle()) for line in accuracy.get_lines()]
    assert len(set(looks[:4])) == 4  # as many as there are colours
    drawn = lines(accuracy)["HoG, cells of 80 px"]
    assert drawn.tolist() == of(svm, hog_cell=80)[["theta", "accuracy"]].to_numpy().tolist()
    drawn = lines(correlation)["HoG"]
    assert drawn.tolist() == of(likeness, histogram="hog")[["theta", "value"]].to_numpy().tolist()


def test_without_a_period_the_figure_says_so():
    """As with one angle: the table has its columns and no row."""
    empty = periodogram_table(curves_of(score_rows([0], 0.5)), analysis().tests, 0.95)
    figure = periods.periodogram_figure(empty, table([0]), [90], 0.95)
    assert not figure.axes and "brains" in figure.get_suptitle()
    assert any("resolve no period" in text.get_text() for text in figure.texts)
