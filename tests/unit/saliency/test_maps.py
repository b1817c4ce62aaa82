"""All maps of an evaluation: which there are, in which frame, by which settings."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet
from thetascope.saliency.gradients import folded, smoothgrad
from thetascope.saliency.maps import Blur, Saliency, choose_items, saliency_maps
from thetascope.saliency.objectives import foreground_logit, pair_cosine
from thetascope.saliency.sanity import deletion_insertion, randomised

SETTINGS = Saliency(
    samples=1,
    noise_level=0.15,
    noise_scale="range",
    times_input=False,
    blur=None,
    unaligned=False,
    guided=False,
    randomise=[],
    deletion=0,
    items=2,
    chunk_size=4,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair_of_models():
    torch.manual_seed(0)
    return Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)


def mapped(images, degrees=30.0, view=None, **changes):
    settings = replace(SETTINGS, **changes)
    return saliency_maps(*pair_of_models(), images, degrees, view or View(), settings, generator())


def test_items_come_from_the_test_part_evenly():
    manifest = pd.DataFrame({"split": ["train"] * 5 + ["test"] * 9 + ["validation"] * 2})
    assert choose_items(manifest, 3).tolist() == [5, 9, 13]
    assert choose_items(manifest, 50).tolist() == list(range(5, 14))


def test_maps_of_both_models_in_the_frame_of_x():
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 3)
    unet = UNet(Encoder("resnet18", 3), 2, [16, 8, 8, 8, 8])
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, samples=2)
    arrays = saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    keys = {
        f"{model}.{input_}.{map_}"
        for model in ("pretrained", "finetuned")
        for input_ in ("original", "rotated")
        for map_ in ("smoothgrad", "gradient")
    } | {f"baseline.{o}.{map_}" for o in ("original", "rotated") for map_ in ("sobel", "centre")}
    assert arrays.keys() == keys | {"valid.original", "valid.rotated"}
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
    encoder, unet = Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)
    images = torch.rand(1, 3, 32, 32, generator=generator())
    view = View(canvas, sham=sham)
    settings = replace(SETTINGS, guided=True)
    for degrees in (90.0, 130.0):
        arrays = saliency_maps(encoder, unet, images, degrees, view, settings, generator())
        for input_, angle in (("original", 0.0), ("rotated", degrees)):
            valid = arrays[f"valid.{input_}"]
            np.testing.assert_array_equal(valid, view.valid(images, angle))
            maps = [v for k, v in arrays.items() if input_ in k and "valid" not in k]
            assert len(maps) == 6
            assert all((m[:, ~valid] == 0).all() for m in maps)
            # the pair's gradient is sparse here: an untrained residual network's branches are 0
            assert (arrays[f"finetuned.{input_}.gradient"][:, valid] > 0).mean() > 0.9


def test_a_matched_view_maps_and_settles_its_first_view():
    """The fine-tuned model's map of x: of the resampled picture, and resampled itself."""
    images = torch.rand(1, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    view = View(matched=True)
    arrays = saliency_maps(encoder, unet, images, 30.0, view, SETTINGS, generator())
    picture = view.original(images, 30.0)
    logit = foreground_logit(folded(unet, picture))
    (gradient,) = smoothgrad(logit, (picture,), 1, 0.0, 4, generator())
    expected = view.settle(gradient, 30.0).numpy()
    np.testing.assert_array_equal(arrays["finetuned.original.gradient"], expected)
    assert not np.allclose(expected, gradient)


def test_guided_changes_the_maps_and_only_within():
    encoder, unet = pair_of_models()
    images = torch.rand(1, 3, 32, 32, generator=generator())
    plain, with_guidance, after = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(SETTINGS, guided=on), generator()
        )
        for on in (False, True, False)
    )
    for key in (k for k in plain if "valid" not in k):
        assert np.array_equal(plain[key], after[key])
        assert np.allclose(plain[key], with_guidance[key]) == key.startswith("baseline")


def test_saliency_maps_turn_back_what_was_turned():
    """The maps of both pictures by the models, turned back by NumPy at a quarter turn."""
    encoder, unet = pair_of_models()
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, noise_level=0.0)
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
            arrays[f"{key}.gradient"], expected, rtol=1e-3, atol=expected.max() * 1e-4
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
    for name in ("sobel", "centre"):
        there, back = (arrays[f"baseline.{o}.{name}"] for o in ("original", "rotated"))
        np.testing.assert_allclose(there, back, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("degrees", [0.0, 30.0])
def test_maps_are_blurred_as_by_scipy_and_then_turned_back(degrees):
    images, view = torch.rand(2, 3, 32, 32, generator=generator()), View("reflect")
    plain, blurred = (
        mapped(images, degrees, view, unaligned=True, blur=blur)
        for blur in (None, Blur(size=11, sigma=5))
    )
    for key in (k for k in plain if "valid" not in k):
        # as the networks gave it: this canvas shows the picture everywhere
        given = plain[key.replace("rotated", "unaligned")]
        smooth = np.array([gaussian_filter(m, 5, mode="mirror", radius=5) for m in given])
        if ".rotated." in key:
            smooth = view.align(torch.tensor(smooth), degrees).numpy()
        np.testing.assert_allclose(blurred[key], smooth, rtol=1e-3, atol=1e-4 * plain[key].max())


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
            assert np.array_equal(arrays[key], aligned) == round_map
    # the picture's corners, black pixels aside, are where the view shows the picture
    ones = view.rotated(torch.ones(1, 1, 32, 32), 30.0)[0, 0].numpy() > 0.5
    assert (ones == arrays["valid.unaligned"]).mean() > 0.98


@pytest.mark.parametrize("degrees", [0.0, 360.0])
def test_the_cosine_of_equal_views_has_no_gradient(degrees):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    arrays = saliency_maps(*pair_of_models(), images, degrees, View(), SETTINGS, generator())
    for input_ in ("original", "rotated"):
        assert not arrays[f"pretrained.{input_}.gradient"].any()
        assert arrays[f"pretrained.{input_}.smoothgrad"].any()  # its noise differs
        assert arrays[f"finetuned.{input_}.gradient"].any()


def test_randomised_models_get_maps_and_leave_the_intact_ones_alone():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    settings = replace(SETTINGS, samples=2)
    plain, both, again = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(settings, randomise=p), generator()
        )
        for p in ([], [10, 100], [100])
    )
    assert all(np.array_equal(plain[key], both[key]) for key in plain)
    assert all(np.array_equal(both[key], again[key]) for key in again)
    added = both.keys() - plain.keys()
    assert {key.split(".")[0] for key in added} == {
        f"{model}-random-{p}" for model in ("pretrained", "finetuned") for p in (10, 100)
    }
    assert len(added) == 4 * 2 * 2
    for key in added:
        assert np.isfinite(both[key]).all() and both[key].max() > 0
    key = "finetuned-random-100.original.gradient"
    assert not np.allclose(both[key], both["finetuned-random-10.original.gradient"])
    # batch-norm takes its statistics from both pictures
    seen = torch.cat([images, View().rotated(images, 30.0)])
    shuffle = runtime.generator(0, "randomise", 100)
    randomised(encoder, 100, seen, shuffle)
    logit = foreground_logit(folded(randomised(unet, 100, seen, shuffle), images))
    (expected,) = smoothgrad(logit, (images,), 1, 0.0, 4, generator())
    np.testing.assert_array_equal(both[key], expected)


def test_areas_stand_beside_the_maps_and_leave_them_as_they_are():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    plain, with_areas, again = (
        saliency_maps(
            encoder, unet, images, 30.0, View(), replace(SETTINGS, deletion=n), generator()
        )
        for n in (0, 3, 3)
    )
    assert all(np.array_equal(plain[key], with_areas[key]) for key in plain)
    assert all(np.array_equal(with_areas[key], again[key]) for key in with_areas)
    of_networks = {k for k in plain if k.count(".") == 2 and not k.startswith("baseline")}
    added = {f"{key}.{area}" for key in of_networks for area in ("deletion", "insertion")}
    assert with_areas.keys() == plain.keys() | added
    x, y = View().original(images), View().rotated(images, 30.0)
    for key, objective, inputs in (
        ("finetuned.rotated.gradient", foreground_logit(unet), (x,)),
        ("pretrained.rotated.gradient", pair_cosine(encoder), (x, y)),
    ):
        for row, maps in enumerate((plain[key], np.tile(plain["valid.rotated"], (2, 1, 1)))):
            order = runtime.generator(0, "deletion")
            maps = torch.tensor(maps).float()
            expected = deletion_insertion(objective, inputs, maps, 3, 4, order)
            for name, area in expected.items():
                np.testing.assert_array_equal(with_areas[f"{key}.{name}"][row], area)


# another value than in `SETTINGS`
OTHER = {
    "samples": 3,
    "noise_level": 0.3,
    "noise_scale": "inverse_range",
    "times_input": True,
    "blur": Blur(size=3, sigma=1.0),
    "unaligned": True,
    "guided": True,
    "randomise": [50],
    "deletion": 2,
}


def test_which_settings_change_no_map():
    assert {f.name for f in fields(Saliency)} - OTHER.keys() == {"items", "chunk_size"}


@pytest.mark.parametrize("name", OTHER)
def test_no_setting_is_ignored(name):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    usual, other = mapped(images), mapped(images, **{name: OTHER[name]})
    assert other.keys() != usual.keys() or any(
        not np.array_equal(other[key], usual[key]) for key in usual
    )


@pytest.mark.parametrize("chunk_size", [2, 5])
def test_a_pass_holds_no_more_rows_than_a_chunk(chunk_size):
    encoder, unet = pair_of_models()
    rows = []
    for model in (encoder, unet):
        model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = replace(SETTINGS, samples=8, chunk_size=chunk_size)
    saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    assert max(rows) == chunk_size
