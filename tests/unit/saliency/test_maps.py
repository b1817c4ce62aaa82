"""All maps of an evaluation: which there are, in which frame, by which settings."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from factories import both, mapping, smooth
from scipy.ndimage import gaussian_filter

from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet, predict
from thetascope.saliency.gradients import folded
from thetascope.saliency.maps import Saliency, choose_items, saliency_maps
from thetascope.saliency.objectives import foreground_logit, pair_cosine
from thetascope.saliency.sanity import deletion_insertion, randomised

INPUTS = ("original", "rotated")
BASELINES = ("sobel", "centre", "hog", "random")
SETTINGS = mapping()


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair_of_models():
    """Untrained; the second finds foreground in about half of the pixels."""
    torch.manual_seed(0)
    encoder, unet = Encoder("test_resnet", 3), UNet(Encoder("test_resnet", 3), 2, [8] * 5).eval()
    with torch.no_grad():
        logits = unet(torch.rand(4, 3, 32, 32, generator=generator(9)))
        unet.classifier.bias[0] += (logits[:, 1] - logits[:, 0]).median()
    return encoder, unet


def test_without_a_fine_tuned_model_all_other_maps_are_the_same():
    encoder, unet = pair_of_models()
    images = torch.rand(2, 3, 32, 32, generator=generator(1))
    settings = replace(SETTINGS, randomise=[20], deletion=4)
    options = images, 30.0, View(), settings
    whole = saliency_maps(encoder, unet, *options, generator())
    alone = saliency_maps(encoder, None, *options, generator())
    missing = {key for key in whole if key.startswith(("finetuned", "predicted"))}
    assert len(missing) > 4 and alone.keys() == whole.keys() - missing
    for key, array in alone.items():
        np.testing.assert_array_equal(array, whole[key], err_msg=key)


def is_map(key):
    return key.count(".") == 2


def mapped(images, degrees=30.0, view=None, **changes):
    settings = replace(SETTINGS, **changes)
    return saliency_maps(*pair_of_models(), images, degrees, view or View(), settings, generator())


def test_items_come_from_the_test_part_evenly():
    manifest = pd.DataFrame({"split": ["train"] * 5 + ["test"] * 9 + ["validation"] * 2})
    assert choose_items(manifest, 3).tolist() == [5, 9, 13]
    assert choose_items(manifest, 50).tolist() == list(range(5, 14))


def test_maps_of_both_models_in_the_frame_of_x():
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3)
    unet = UNet(Encoder("test_resnet", 3), 2, [16, 8, 8, 8, 8])
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, samples=both(2))
    arrays = saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    networks = {f"{m}.{i}.smoothgrad" for m in ("pretrained", "finetuned") for i in INPUTS}
    baselines = {f"baseline.{i}.{name}" for i in INPUTS for name in BASELINES}
    keys = networks | baselines
    halves = {f"{key}.split_half" for key in networks}
    shares = {f"{name}.{i}" for i in INPUTS for name in ("valid", "predicted")}
    assert arrays.keys() == keys | halves | shares
    assert arrays["valid.original"].all()
    assert not arrays["valid.rotated"].all()
    for key in keys:
        assert arrays[key].shape == (2, 32, 32)
        assert arrays[key].dtype == np.float32
        assert arrays[key].max() > 0
        assert (arrays[key] >= 0).all()
    assert (arrays["finetuned.rotated.smoothgrad"][:, ~arrays["valid.rotated"]] == 0).all()
    again = saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    assert all(np.array_equal(arrays[key], again[key]) for key in arrays)


@pytest.mark.parametrize("sham", [False, True])
@pytest.mark.parametrize("canvas", ["zero", "reflect", "disc", "crop"])
def test_maps_are_zero_where_a_view_shows_nothing(canvas, sham):
    torch.manual_seed(0)
    encoder, unet = Encoder("test_resnet", 3), UNet(Encoder("test_resnet", 3), 2, [8] * 5)
    images = torch.rand(1, 3, 32, 32, generator=generator())
    view = View(canvas, sham=sham)
    settings = replace(SETTINGS, guided=True)
    for degrees in (90.0, 130.0):
        arrays = saliency_maps(encoder, unet, images, degrees, view, settings, generator())
        for input_, angle in (("original", 0.0), ("rotated", degrees)):
            valid = arrays[f"valid.{input_}"]
            np.testing.assert_array_equal(valid, view.valid(images, angle))
            maps = [v for k, v in arrays.items() if is_map(k) and input_ in k]
            assert len(maps) == 6
            assert all((m[:, ~valid] == 0).all() for m in maps)
            # the pair's gradient is sparse here: an untrained residual network's branches are 0
            assert (arrays[f"finetuned.{input_}.smoothgrad"][:, valid] > 0).mean() > 0.9


def test_a_matched_view_maps_and_settles_its_first_view():
    """The fine-tuned model's map of x: of the resampled picture, and resampled itself."""
    images = torch.rand(1, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    view = View(matched=True)
    settings = replace(SETTINGS, noise_level=both(0.0))
    arrays = saliency_maps(encoder, unet, images, 30.0, view, settings, generator())
    picture = view.original(images, 30.0)
    found = predict(unet, picture, 1) > 0
    assert found.any() and not found.all()
    logit = foreground_logit(folded(unet, picture))
    (maps,) = smooth(logit, (picture,), 1, 0.0, 4, generator(), given=(found,))
    expected = view.settle(maps[0], 30.0).numpy()
    np.testing.assert_array_equal(arrays["finetuned.original.smoothgrad"], expected)
    assert not np.allclose(expected, maps[0])


def test_guided_changes_the_maps_and_only_within():
    encoder, unet = pair_of_models()
    images = torch.rand(1, 3, 32, 32, generator=generator())
    plain, with_guidance, after = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(SETTINGS, guided=on), generator()
        )
        for on in (False, True, False)
    )
    for key in filter(is_map, plain):
        assert np.array_equal(plain[key], after[key])
        assert np.allclose(plain[key], with_guidance[key]) == key.startswith("baseline")


def test_saliency_maps_turn_back_what_was_turned():
    """The maps of both pictures by the models, turned back by NumPy at a quarter turn."""
    encoder, unet = pair_of_models()
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, noise_level=both(0.0), logit_over="all")
    arrays = saliency_maps(encoder, unet, images, 90.0, View(), settings, generator())
    turned = torch.tensor(np.rot90(images.numpy(), 1, (2, 3)).copy()).requires_grad_()
    logits = unet(turned)
    difference = logits[:, 1] - logits[:, 0]
    (of_logit,) = torch.autograd.grad(difference.mean(dim=(1, 2)).sum(), turned)
    x = images.requires_grad_()
    cosine = torch.cosine_similarity(encoder(x), encoder(turned))
    of_x, of_y = torch.autograd.grad(cosine.sum(), (x, turned))
    for key, gradient, turns in (
        ("finetuned.rotated", of_logit, -1),
        ("pretrained.original", of_x, 0),
        ("pretrained.rotated", of_y, -1),
    ):
        expected = np.rot90(gradient.abs().amax(1).numpy(), turns, (1, 2))
        np.testing.assert_allclose(
            arrays[f"{key}.smoothgrad"], expected, rtol=1e-3, atol=expected.max() * 1e-4
        )


def test_one_item_and_as_many_items_as_there_are():
    manifest = pd.DataFrame({"split": ["test", "train", "test", "test"]})
    assert choose_items(manifest, 1).tolist() == [0]
    assert choose_items(manifest, 3).tolist() == [0, 2, 3]


@pytest.mark.parametrize("turns", range(4))
def test_baselines_turn_with_the_picture(turns):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    degrees = 90.0 * turns
    arrays = saliency_maps(
        *pair_of_models(), images, degrees, View(matched=True), SETTINGS, generator()
    )
    for name in ("sobel", "centre", "hog"):
        there, back = (arrays[f"baseline.{o}.{name}"] for o in ("original", "rotated"))
        np.testing.assert_allclose(there, back, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_maps_are_blurred_as_by_scipy_and_then_turned_back(degrees):
    images, view = torch.rand(2, 3, 32, 32, generator=generator()), View("reflect")
    plain, blurred = (
        mapped(images, degrees, view, unaligned=True, blur=blur) for blur in (0.0, 0.07)
    )
    for key in (k for k in plain if is_map(k) and not k.endswith("random")):
        # as the networks gave it: this canvas shows the picture everywhere
        given = plain[key.replace("rotated", "unaligned")]
        smooth = np.array([gaussian_filter(m, 0.07 * 32, mode="mirror") for m in given])
        if ".rotated." in key:
            smooth = view.align(torch.tensor(smooth), degrees).numpy()
        np.testing.assert_allclose(blurred[key], smooth, rtol=1e-3, atol=1e-3 * plain[key].max())


def test_the_random_map_is_noise_as_smooth_as_the_others():
    """Correlation of neighbours in white noise after a Gaussian of σ: exp(−1 / 4σ²)."""
    images = torch.rand(40, 3, 32, 32, generator=generator())
    torch.manual_seed(0)
    for blur in (0.0, 2 / 32):
        maps = mapped(images, 90.0, blur=blur)
        of_x, of_y = (maps[f"baseline.{i}.random"] for i in INPUTS)
        for noise in (of_x, of_y):
            apart = np.corrcoef(noise[:, :, 1:].ravel(), noise[:, :, :-1].ravel())[0, 1]
            assert apart == pytest.approx(np.exp(-1 / 16) if blur else 0, abs=0.02)
            # every pixel alike, those at the border too
            border = np.concatenate([noise[:, 0].ravel(), noise[:, :, -1].ravel()])
            assert border.std() == pytest.approx(noise[:, 8:24, 8:24].std(), rel=0.1)
            assert border.mean() == pytest.approx(0.5, abs=0.02)
        assert abs(np.corrcoef(of_x.ravel(), of_y.ravel())[0, 1]) < 0.05
        assert abs(np.corrcoef(of_x[0].ravel(), of_x[1].ravel())[0, 1]) < 0.3


def test_each_model_has_its_samples_and_noise():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    usual = mapped(images)
    more = {"pretrained": 1, "finetuned": 2}
    for name, changed in (
        ("samples", more),
        ("noise_level", {"pretrained": 0.15, "finetuned": 0.3}),
    ):
        other = mapped(images, **{name: changed})
        for key in filter(is_map, usual):
            same = np.array_equal(usual[key], other[key])
            assert same == (not key.startswith("finetuned"))
    section = {field.name: getattr(SETTINGS, field.name) for field in fields(Saliency)}
    settings = Saliency.of_section(section | {"samples": 3, "noise_level": more})
    assert settings == replace(SETTINGS, samples=both(3), noise_level=more)


@pytest.mark.parametrize("logit_over", ["predicted", "all"])
def test_the_scalar_is_over_the_pixels_that_each_picture_has_as_foreground(logit_over):
    """Of x and of R_θ x; where the model finds none, over all."""
    encoder, unet = pair_of_models()
    images = torch.rand(3, 3, 32, 32, generator=generator())
    with torch.no_grad():  # so that there are pictures with and without foreground
        logits = unet(torch.cat([images, torch.rot90(images, 1, (2, 3))]))
        margins = (logits[:, 1] - logits[:, 0]).amax((1, 2))
        unet.classifier.bias[1] -= margins.sort().values[2:4].mean()
    settings = replace(SETTINGS, noise_level=both(0.0), logit_over=logit_over)
    arrays = saliency_maps(encoder, unet, images, 90.0, View(), settings, generator())
    shares = []
    for input_, turns in (("original", 0), ("rotated", 1)):
        picture = torch.rot90(images, turns, (2, 3)).requires_grad_()
        odds = unet(picture)[:, 1] - unet(picture)[:, 0]
        where = odds > 0
        share = where.float().mean((1, 2))
        np.testing.assert_allclose(arrays[f"predicted.{input_}"], share)
        where = where | (logit_over == "all") | (share == 0)[:, None, None]
        scalars = [o[w].mean() for o, w in zip(odds, where, strict=True)]
        (gradient,) = torch.autograd.grad(sum(scalars), picture)
        expected = np.rot90(gradient.abs().amax(1).numpy(), -turns, (1, 2))
        found = arrays[f"finetuned.{input_}.smoothgrad"]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=expected.max() * 1e-3)
        shares += share.tolist()
    assert 0 < np.count_nonzero(shares) < 6


def test_split_half_is_the_correlation_of_the_halves_as_they_are_scored():
    """Of the blurred and aligned maps, on the shown pixels; both halves from their own samples."""
    images, view = torch.rand(2, 3, 32, 32, generator=generator()), View()
    encoder, unet = pair_of_models()
    settings = replace(SETTINGS, samples=both(4), blur=0.05)
    arrays = saliency_maps(encoder, unet, images, 30.0, view, settings, generator())
    x, y = images, view.rotated(images, 30.0)
    cosine, noise = pair_cosine(folded(encoder, x)), generator()
    pair = smooth(cosine, (x, y), 4, 0.15, 4, noise)
    for maps, input_, place in zip(pair, INPUTS, (view.settle, view.align), strict=True):
        shown = arrays[f"valid.{input_}"]
        halves = [
            place(torch.tensor(gaussian_filter(h.numpy(), (0, 1.6, 1.6), mode="mirror")), 30.0)
            for h in maps[1:]
        ]
        expected = [np.corrcoef(a[shown], b[shown])[0, 1] for a, b in zip(*halves, strict=True)]
        key = f"pretrained.{input_}.smoothgrad.split_half"
        np.testing.assert_allclose(arrays[key], expected, rtol=1e-2)


@pytest.mark.parametrize("canvas", ["zero", "reflect", "disc", "crop"])
def test_the_unaligned_map_is_the_one_that_is_turned_back(canvas):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    view, settings = View(canvas), replace(SETTINGS, unaligned=True)
    for degrees in (90.0, 30.0):
        arrays = saliency_maps(*pair_of_models(), images, degrees, view, settings, generator())
        for key in (k for k in arrays if k.count(".") == 2 and ".unaligned." in k):
            turned_back = view.align(torch.tensor(arrays[key]), degrees).numpy()
            aligned = arrays[key.replace("unaligned", "rotated")]
            if degrees == 90 or canvas in ("reflect", "crop"):
                np.testing.assert_allclose(turned_back, aligned, rtol=1e-4, atol=1e-7)
            assert (arrays[key][:, ~arrays["valid.unaligned"]] == 0).all()
            round_map = degrees == 90 and "centre" in key
            assert np.array_equal(arrays[key], aligned) == round_map, key
    # the picture's corners, black pixels aside, are where the view shows the picture
    ones = view.rotated(torch.ones(1, 1, 32, 32), 30.0)[0, 0].numpy() > 0.5
    assert (ones == arrays["valid.unaligned"]).mean() > 0.98


@pytest.mark.parametrize("degrees", [0.0, 360.0])
def test_the_cosine_of_equal_views_has_no_gradient(degrees):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    clean = mapped(images, degrees, noise_level=both(0.0))
    noisy = mapped(images, degrees)
    for input_ in INPUTS:
        assert not clean[f"pretrained.{input_}.smoothgrad"].any()
        assert noisy[f"pretrained.{input_}.smoothgrad"].any()  # its noise differs
        assert clean[f"finetuned.{input_}.smoothgrad"].any()


def test_randomised_models_get_maps_and_leave_the_intact_ones_alone():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    settings = replace(SETTINGS, samples=both(2))
    plain, with_random, again = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(settings, randomise=p), generator()
        )
        for p in ([], [10, 100], [100])
    )
    assert all(np.array_equal(plain[key], with_random[key]) for key in plain)
    assert all(np.array_equal(with_random[key], again[key]) for key in again)
    added = with_random.keys() - plain.keys()
    assert {key.split(".")[0] for key in added} == {
        f"{model}-random-{p}" for model in ("pretrained", "finetuned") for p in (10, 100)
    }
    assert len(list(filter(is_map, added))) == 4 * 2
    for key in added:
        assert np.isfinite(with_random[key]).all() and with_random[key].max() > 0
    key = "finetuned-random-100.original.smoothgrad"
    assert not np.allclose(with_random[key], with_random["finetuned-random-10.original.smoothgrad"])
    # batch-norm takes its statistics from both pictures
    seen = torch.cat([images, View().rotated(images, 30.0)])
    shuffle = runtime.generator(0, "randomise", 100)
    randomised(encoder, 100, seen, shuffle)
    logit = foreground_logit(folded(randomised(unet, 100, seen, shuffle), images))
    noise, intact = generator(), predict(unet, images, 4) > 0
    smooth(pair_cosine(encoder), (images, images), 2, 0.15, 4, noise)  # draws first
    (expected,) = smooth(logit, (images,), 2, 0.15, 4, noise, given=(intact,))
    np.testing.assert_array_equal(with_random[key], expected[0])


def test_areas_stand_beside_the_maps_and_leave_them_as_they_are():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    plain, with_areas, again = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(SETTINGS, deletion=n), generator()
        )
        for n in (0, 3, 3)
    )
    assert all(np.array_equal(plain[key], with_areas[key], equal_nan=True) for key in plain)
    assert all(np.array_equal(plain[key], again[key], equal_nan=True) for key in plain)
    of_networks = {k for k in filter(is_map, plain) if not k.startswith("baseline")}
    added = {f"{key}.{area}" for key in of_networks for area in ("deletion", "insertion")}
    assert with_areas.keys() == plain.keys() | added
    x, y = View().original(images), View().rotated(images, 30.0)
    found = predict(unet, x, 2) > 0
    models = {
        "finetuned": (foreground_logit(unet), (x,), (found,)),
        "pretrained": (pair_cosine(encoder), (x, y), ()),
    }
    for model, input_ in product(models, INPUTS):
        objective, inputs, given = models[model]
        key, footprint = f"{model}.{input_}.smoothgrad", plain[f"valid.{input_}"]
        for row, maps in enumerate((plain[key], np.tile(footprint, (2, 1, 1)))):
            order = runtime.generator(0, "deletion")
            maps = torch.tensor(maps).float()
            expected = deletion_insertion(objective, inputs, maps, 3, 4, order, given)
            for name, area in expected.items():
                np.testing.assert_array_equal(with_areas[f"{key}.{name}"][row], area)


# another value than in `SETTINGS`
OTHER = {
    "samples": both(3),
    "noise_level": both(0.3),
    "noise_scale": "inverse_range",
    "times_input": True,
    "logit_over": "all",
    "blur": 0.1,
    "unaligned": True,
    "guided": True,
    "randomise": [50],
    "deletion": 2,
}


def test_which_settings_change_no_map():
    """`items` and `pre_rotation` say of which pictures maps are."""
    others = {"items", "pre_rotation", "chunk_size"}
    assert {f.name for f in fields(Saliency)} - OTHER.keys() == others


@pytest.mark.parametrize("name", OTHER)
def test_no_setting_is_ignored(name):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    usual, other = mapped(images), mapped(images, **{name: OTHER[name]})
    assert other.keys() != usual.keys() or any(
        not np.array_equal(other[key], usual[key]) for key in usual
    )


@pytest.mark.parametrize(("chunk_size", "largest"), [(10, 10), (25, 20)])
def test_a_pass_holds_no_more_rows_than_a_chunk(chunk_size, largest):
    encoder, unet = pair_of_models()
    rows = []
    for model in (encoder, unet):
        model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, samples=both(20), chunk_size=chunk_size)
    saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    assert max(rows) == largest
