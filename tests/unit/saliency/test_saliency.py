"""SmoothGrad against captum, a linear model, and itself."""

import captum.attr
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import multivariate_normal
from skimage import filters
from torch import nn

from thetascope.errors import UserError
from thetascope.learning import runtime
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet
from thetascope.saliency.baselines import centre, sobel
from thetascope.saliency.gradients import folded, guided, smoothgrad
from thetascope.saliency.maps import choose_items, saliency_maps
from thetascope.saliency.objectives import foreground_logit, pair_cosine
from thetascope.saliency.sanity import deletion_insertion, randomised

SETTINGS = {
    "samples": 1,
    "noise_level": 0.15,
    "noise_scale": "range",
    "times_input": False,
    "blur": None,
    "unaligned": False,
    "guided": False,
    "randomise": [],
    "deletion": 0,
    "chunk_size": 4,
}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * 10 * 10, 1), nn.Flatten(0),
    ).eval()  # fmt: skip


@pytest.fixture
def images():
    return torch.rand(3, 2, 12, 12, generator=generator(5))


def test_a_linear_models_map_is_its_weights(images):
    weights = torch.randn(2, 12, 12, generator=generator(1))
    (maps,) = smoothgrad(lambda x: (x * weights).sum((1, 2, 3)), (images,), 7, 0.5, 3, generator())
    torch.testing.assert_close(maps, weights.abs().amax(0).expand(3, -1, -1))


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 8, 20, 100])
def test_the_chunk_size_does_not_change_the_result(network, images, chunk_size):
    (reference,) = smoothgrad(network, (images,), 8, 0.15, 24, generator())
    (maps,) = smoothgrad(network, (images,), 8, 0.15, chunk_size, generator())
    torch.testing.assert_close(maps, reference, rtol=1e-5, atol=1e-7)


def test_against_captum_with_the_same_noise(network, images):
    samples, level = 6, 0.15
    (ours,) = smoothgrad(network, (images,), samples, level, 4, generator(3))
    noise, saliency = generator(3), captum.attr.Saliency(network)
    for image, map_ in zip(images, ours, strict=True):
        sigma = level * (image.max() - image.min())
        noisy = image + sigma * torch.randn(samples, *image.shape, generator=noise)
        theirs = saliency.attribute(noisy, abs=False).mean(dim=0).abs().amax(dim=0)
        torch.testing.assert_close(map_, theirs, rtol=1e-4, atol=1e-7)


def test_agrees_with_captums_noise_tunnel_as_samples_grow(network, images):
    """Its own noise, the same expectation: the maps correlate almost perfectly."""
    image = images[:1]
    sigma = float(0.15 * (image.max() - image.min()))
    torch.manual_seed(0)
    theirs = captum.attr.NoiseTunnel(captum.attr.Saliency(network)).attribute(
        image, nt_type="smoothgrad", nt_samples=400, stdevs=sigma, abs=False
    )
    (ours,) = smoothgrad(network, (image,), 400, 0.15, 100, generator())
    pair = np.stack([ours[0].flatten(), theirs[0].abs().amax(dim=0).flatten().detach()])
    assert np.corrcoef(pair)[0, 1] > 0.98


def test_without_noise_it_is_the_plain_gradient(network, images):
    (maps,) = smoothgrad(network, (images,), 1, 0.0, 2, generator())
    theirs = captum.attr.Saliency(network).attribute(images.clone(), abs=True).amax(dim=1)
    torch.testing.assert_close(maps, theirs)


def test_noise_is_relative_to_each_items_range():
    """The mean gradient of x³ is 3(x² + σ²): it tells the σ that was used."""
    images = torch.zeros(2, 1, 4, 4)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 1.0, 10.0
    (maps,) = smoothgrad(lambda x: (x**3).sum((1, 2, 3)), (images,), 4000, 0.2, 500, generator())
    sigma = (maps[:, 1:, :].mean(dim=(1, 2)) / 3).sqrt()
    torch.testing.assert_close(sigma, torch.tensor([0.2, 2.0]), rtol=0.03, atol=0)


def test_both_inputs_of_a_pair_get_their_own_gradient():
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 3).eval()
    x, y = (torch.rand(2, 3, 32, 32, generator=generator(i)) for i in (1, 2))
    ours = smoothgrad(pair_cosine(encoder), (x, y), 1, 0.0, 8, generator())
    for position, map_ in enumerate(ours):
        pair = [x.clone(), y.clone()]
        pair[position].requires_grad_()
        a, b = (encoder(p) for p in pair)
        cosine = (a * b).sum(1) / a.norm(dim=1) / b.norm(dim=1)
        (gradient,) = torch.autograd.grad(cosine.sum(), pair[position])
        torch.testing.assert_close(map_, gradient.abs().amax(1), rtol=1e-3, atol=1e-6)


def test_quarter_turn_equivariance(images):
    """A scalar that does not change under rotation has maps that turn with the picture."""

    def scalar(x):
        return (x**2).sum((1, 2, 3)) ** 1.5

    (plain,) = smoothgrad(scalar, (images,), 1, 0.0, 8, generator())
    (turned,) = smoothgrad(scalar, (View().rotated(images, 90.0),), 1, 0.0, 8, generator())
    torch.testing.assert_close(View().align(turned, 90.0), plain)


def test_guided_agrees_with_captum_and_leaves_no_trace(network, images):
    with guided(network):
        (ours,) = smoothgrad(network, (images,), 1, 0.0, 8, generator())
    theirs = captum.attr.GuidedBackprop(network).attribute(images.clone()).abs().amax(dim=1)
    torch.testing.assert_close(ours, theirs)
    (plain,) = smoothgrad(network, (images,), 1, 0.0, 8, generator())
    assert not torch.allclose(plain, ours)
    assert not any(m._backward_hooks for m in network.modules())


def test_guided_restores_relus_that_work_in_place():
    torch.manual_seed(0)
    encoder = Encoder("efficientnet_lite0", 3).eval()
    before = [getattr(m, "inplace", None) for m in encoder.modules()]
    with guided(encoder):
        x = torch.rand(1, 3, 32, 32)
        (maps,) = smoothgrad(lambda x: encoder(x).sum(1), (x,), 1, 0.0, 1, generator())
    assert maps.isfinite().all()
    assert [getattr(m, "inplace", None) for m in encoder.modules()] == before


@pytest.mark.parametrize("name", ["convnext_tiny", "vit_base_patch16_224"])
def test_guided_is_refused_without_relus(name):
    with pytest.raises(UserError, match=r"saliency\.guided"), guided(Encoder(name, 3)):
        pass


def test_items_come_from_the_test_part_evenly():
    manifest = pd.DataFrame({"split": ["train"] * 5 + ["test"] * 9 + ["validation"] * 2})
    assert choose_items(manifest, 3).tolist() == [5, 9, 13]
    assert choose_items(manifest, 50).tolist() == list(range(5, 14))


def test_maps_of_both_models_in_the_frame_of_x():
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 3)
    unet = UNet(Encoder("resnet18", 3), 2, [16, 8, 8, 8, 8])
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = {**SETTINGS, "samples": 2}
    arrays = saliency_maps(encoder, unet, images, 30.0, View(), settings, generator())
    keys = {
        f"{model}.{orientation}.{map_}"
        for model in ("pretrained", "finetuned")
        for orientation in ("original", "rotated")
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


def test_foreground_logit_is_the_log_odds_of_any_foreground():
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    p = logits.softmax(dim=1).numpy()
    odds = (p[:, 1] + p[:, 2]) / p[:, 0]
    ours = foreground_logit(lambda x: x)(logits)
    np.testing.assert_allclose(ours, np.log(odds).mean(axis=(1, 2)))


def pair(x, y):
    return (x * y).sum((1, 2, 3)) ** 2 + (x**3).sum((1, 2, 3))


@pytest.mark.parametrize("chunk_size", [1, 3, 8, 100])
def test_the_chunk_size_does_not_change_the_maps_of_a_pair(images, chunk_size):
    inputs = images, images.flip(0)
    reference = smoothgrad(pair, inputs, 5, 0.15, 15, generator())
    maps = smoothgrad(pair, inputs, 5, 0.15, chunk_size, generator())
    for ours, theirs in zip(maps, reference, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_inputs_of_a_pair_get_noise_of_their_own(images):
    """For |x − y|² the gradient is twice the difference of the two noises, 0 if they were one."""

    def distance(x, y):
        return ((x - y) ** 2).sum((1, 2, 3))

    maps = smoothgrad(distance, (images, images), 2, 0.15, 4, generator())
    assert all(m.mean() > 0.05 for m in maps)
    torch.testing.assert_close(*maps)


def test_same_generator_same_maps_and_another_others(network, images):
    first, again, other = (
        smoothgrad(network, (images,), 3, 0.15, 8, generator(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_items_map_does_not_depend_on_the_items_after_it(network, images):
    (all_of_them,) = smoothgrad(network, (images,), 3, 0.15, 8, generator())
    (first,) = smoothgrad(network, (images[:1],), 3, 0.15, 8, generator())
    torch.testing.assert_close(all_of_them[:1], first)


def test_the_cosine_of_a_picture_with_itself_has_no_gradient():
    """Its maximum, 1: at θ = 0 and 360 the plain gradient of the pair is 0 but for rounding."""
    torch.manual_seed(0)
    cosine = pair_cosine(Encoder("resnet18", 3).eval())
    x = torch.rand(1, 3, 32, 32, generator=generator())
    largest = {
        turns: smoothgrad(cosine, (x, x.rot90(turns, (2, 3))), 1, 0.0, 2, generator())[0].max()
        for turns in (0, 1)
    }
    assert largest[0] < 1e-4 * largest[1]


def test_guided_on_a_residual_network_agrees_with_captum():
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 3).eval()
    x = torch.rand(2, 3, 32, 32, generator=generator())
    with guided(encoder):
        (ours,) = smoothgrad(lambda x: encoder(x)[:, 7], (x,), 1, 0.0, 8, generator())
    for module in encoder.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False  # captum does not do this itself
    theirs = captum.attr.GuidedBackprop(encoder).attribute(x.clone(), target=7).abs().amax(dim=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


def test_guided_leaves_no_trace_of_a_failure_either():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    with pytest.raises(RuntimeError, match="inside"), guided(model):
        assert not model[1].inplace
        raise RuntimeError("inside")
    assert model[1].inplace
    assert not model[1]._backward_hooks


@pytest.mark.parametrize("sham", [False, True])
@pytest.mark.parametrize("canvas", ["zero", "reflect", "disc", "crop"])
def test_maps_are_zero_where_a_view_shows_nothing(canvas, sham):
    torch.manual_seed(0)
    encoder, unet = Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)
    images = torch.rand(1, 3, 32, 32, generator=generator())
    view = View(canvas, sham=sham)
    settings = {**SETTINGS, "guided": True}
    for degrees in (90.0, 130.0):
        arrays = saliency_maps(encoder, unet, images, degrees, view, settings, generator())
        for orientation, angle in (("original", 0.0), ("rotated", degrees)):
            valid = arrays[f"valid.{orientation}"]
            np.testing.assert_array_equal(valid, view.valid(images, angle))
            maps = [v for k, v in arrays.items() if orientation in k and "valid" not in k]
            assert len(maps) == 6
            assert all((m[:, ~valid] == 0).all() for m in maps)
            # the pair's gradient is sparse here: an untrained residual network's branches are 0
            assert (arrays[f"finetuned.{orientation}.gradient"][:, valid] > 0).mean() > 0.9


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
    torch.manual_seed(0)
    encoder, unet = Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)
    images = torch.rand(1, 3, 32, 32, generator=generator())
    settings = SETTINGS
    plain, with_guidance, after = (
        saliency_maps(encoder, unet, images, 30.0, View(), {**settings, "guided": on}, generator())
        for on in (False, True, False)
    )
    for key in (k for k in plain if "valid" not in k):
        assert np.array_equal(plain[key], after[key])
        assert np.allclose(plain[key], with_guidance[key]) == key.startswith("baseline")


def test_saliency_maps_turn_back_what_was_turned():
    """The map of the rotated picture by the model, turned back by NumPy at a quarter turn."""
    torch.manual_seed(0)
    encoder, unet = Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)
    images = torch.rand(2, 3, 32, 32, generator=generator())
    settings = {**SETTINGS, "noise_level": 0.0}
    arrays = saliency_maps(encoder, unet, images, 90.0, View(), settings, generator())
    turned = torch.tensor(np.rot90(images.numpy(), 1, (2, 3)).copy()).requires_grad_()
    logits = unet(turned)
    difference = logits[:, 1] - logits[:, 0]
    (gradient,) = torch.autograd.grad(difference.mean(dim=(1, 2)).sum(), turned)
    expected = np.rot90(gradient.abs().amax(1).numpy(), -1, (1, 2))
    np.testing.assert_allclose(
        arrays["finetuned.rotated.gradient"], expected, rtol=1e-3, atol=expected.max() * 1e-4
    )


def test_one_item_and_as_many_items_as_there_are():
    manifest = pd.DataFrame({"split": ["test", "train", "test", "test"]})
    assert choose_items(manifest, 1).tolist() == [0]
    assert choose_items(manifest, 3).tolist() == [0, 2, 3]


def test_the_inverse_noise_scale_divides_by_the_range():
    """The noise an objective sees, item by item, against both formulas; a flat item gets none."""
    images = torch.zeros(3, 1, 40, 40)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 0.5, 0.1
    seen = []

    def objective(x):
        seen.append(x.detach())
        return x.sum((1, 2, 3))

    for scale, expected in (
        ("range", [0.1 * 0.5, 0.1 * 0.1, 0]),
        ("inverse_range", [0.1 / 0.5, 0.1 / 0.1, 0]),
    ):
        seen.clear()
        smoothgrad(objective, (images,), 4, 0.1, 4, generator(), scale)
        noise = torch.cat(seen).view(3, 4, 40, 40) - images
        assert noise.std((1, 2, 3)).tolist() == pytest.approx(expected, rel=0.03)


def test_times_input_of_a_linear_model_is_the_product(images):
    weights = torch.randn(2, 12, 12, generator=generator(1))
    (maps,) = smoothgrad(
        lambda x: (x * weights).sum((1, 2, 3)), (images,), 3, 0.5, 4, generator(), "range", True
    )
    torch.testing.assert_close(maps, (images * weights).abs().amax(1))


@pytest.mark.parametrize("channels", [1, 3])
def test_sobel_against_scikit_image(channels):
    images = torch.rand(2, channels, 20, 20, generator=generator())
    # which differs by √2 over the two axes, and counts per step of two pixels
    theirs = [[filters.sobel(c) / np.sqrt(2) for c in image] for image in images.numpy()]
    np.testing.assert_allclose(sobel(images), np.max(theirs, axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("degrees", [0.0, 45.0, 90.0])
@pytest.mark.parametrize("grey", [0, 100, 141, 255])
def test_a_constant_picture_has_no_edges(degrees, grey):
    pictures = torch.full((1, 3, 32, 32), grey / 255)
    edges = sobel(View(canvas="reflect").rotated(pictures, degrees))
    assert not edges.any()


def test_sobel_of_a_ramp_is_its_slope():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16) * 0.01
    for image in (ramp, ramp.mT):
        torch.testing.assert_close(sobel(image)[0, 1:-1, 1:-1], torch.full((14, 14), 0.01))


@pytest.mark.parametrize("size", [15, 64])
def test_centre_is_a_gaussian_of_a_quarter_of_the_side(size):
    images = torch.rand(3, 2, size, size)
    at = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 2), axis=-1)
    normal = multivariate_normal([0, 0], (size / 4) ** 2).pdf(at)
    for prior in centre(images).numpy():
        np.testing.assert_allclose(prior / prior.sum(), normal / normal.sum(), rtol=1e-4)


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


def pair_of_models():
    torch.manual_seed(0)
    return Encoder("resnet18", 3), UNet(Encoder("resnet18", 3), 2, [8] * 5)


def test_blur_against_scipy():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    plain, blurred = (
        saliency_maps(
            *pair_of_models(), images, 0.0, View(), {**SETTINGS, "blur": blur}, generator()
        )
        for blur in (None, {"size": 11, "sigma": 5})
    )
    for key in (k for k in plain if "valid" not in k):
        smooth = [gaussian_filter(m, 5, mode="mirror", radius=5) for m in plain[key]]
        np.testing.assert_allclose(blurred[key], smooth, rtol=1e-3, atol=1e-4 * plain[key].max())


@pytest.mark.parametrize("canvas", ["zero", "reflect", "disc", "crop"])
def test_the_unaligned_map_is_the_one_that_is_turned_back(canvas):
    images = torch.rand(1, 3, 32, 32, generator=generator())
    view, settings = View(canvas), {**SETTINGS, "unaligned": True}
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
    for orientation in ("original", "rotated"):
        assert not arrays[f"pretrained.{orientation}.gradient"].any()
        assert arrays[f"pretrained.{orientation}.smoothgrad"].any()  # its noise differs
        assert arrays[f"finetuned.{orientation}.gradient"].any()


# -- randomised weights ----------------------------------------------------------------------------

FAMILIES = [
    "resnet18",
    "resnet50",
    "convnext_tiny",
    "vit_base_patch16_224",
    "efficientnet_lite0",
]


def changed_layers(before, after):
    """For each layer, first to last, whether any of its weights changed."""
    pairs = zip(before.modules(), after.modules(), strict=True)
    own = [(list(a.parameters(recurse=False)), list(b.parameters(recurse=False))) for a, b in pairs]
    return [any(not torch.equal(x, y) for x, y in zip(a, b, strict=True)) for a, b in own if a]


@pytest.mark.parametrize("name", FAMILIES)
def test_randomised_reaches_down_from_the_last_layer_in_every_family(name):
    torch.manual_seed(0)
    encoder = Encoder(name, 3)
    with torch.no_grad():  # fresh gains are all equal, and shuffling cannot change those
        for weight in encoder.parameters():
            weight.add_(torch.randn_like(weight) * 0.01)
    kept = {k: v.clone() for k, v in encoder.state_dict().items()}
    images = torch.rand(2, 3, 32, 32, generator=generator())
    features = encoder.eval()(images)
    for percent in (1, 100):
        copy_ = randomised(encoder, percent, images, generator())
        changed = changed_layers(encoder, copy_)
        count = -(-len(changed) * percent // 100)
        assert changed == [False] * (len(changed) - count) + [True] * count
        assert copy_(images).isfinite().all() and not torch.allclose(copy_(images), features)
    assert all(torch.equal(v, kept[k]) for k, v in encoder.state_dict().items())
    assert torch.equal(encoder(images), features)


def test_randomised_keeps_the_values_and_their_scale():
    encoder = Encoder("resnet18", 3)
    images = torch.rand(4, 3, 32, 32, generator=generator())
    copy_ = randomised(encoder, 100, images, generator())
    for before, after in zip(encoder.parameters(), copy_.parameters(), strict=True):
        assert torch.equal(before.flatten().sort()[0], after.flatten().sort()[0])
    again, other = (randomised(encoder, 100, images, generator(seed)) for seed in (0, 1))
    states = zip(copy_.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)
    assert not torch.equal(copy_.network.conv1.weight, other.network.conv1.weight)


def test_randomised_batch_norm_fits_the_weights_it_follows():
    """Over the images its output has mean 0 and variance 1; the others keep their statistics."""
    torch.manual_seed(0)
    norms = [nn.BatchNorm2d(5) for _ in range(2)]
    model = nn.Sequential(nn.Conv2d(3, 5, 3), norms[0], nn.Conv2d(5, 5, 3), norms[1])
    images = 3 * torch.rand(6, 3, 9, 9, generator=generator()) + 1
    copy_ = randomised(model, 50, images, generator())
    out = copy_(images)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(out.var((0, 2, 3)), torch.ones(5), rtol=1e-3, atol=0)
    assert torch.equal(copy_[1].running_mean, norms[0].running_mean)
    assert not copy_.training and not any(m.training for m in copy_)


def test_randomised_models_get_maps_and_leave_the_intact_ones_alone():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    settings = {**SETTINGS, "samples": 2}
    plain, both, again = (
        saliency_maps(encoder, unet, images, 30.0, View(), settings | {"randomise": p}, generator())
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
    shuffled = both["finetuned-random-100.original.gradient"]
    assert not np.allclose(shuffled, both["finetuned-random-10.original.gradient"])


def test_maps_of_a_linear_model_do_not_survive_its_weights():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 12, 1), nn.Flatten(0))
    images = torch.rand(3, 2, 12, 12, generator=generator())
    shuffled = randomised(model, 100, images, generator())
    (maps,) = smoothgrad(shuffled, (images,), 1, 0.0, 3, generator())
    weights = shuffled[1].weight.view(2, 12, 12).detach()
    torch.testing.assert_close(maps, weights.abs().amax(0).expand(3, -1, -1))
    assert not torch.equal(weights.flatten(), model[1].weight[0])


# -- deletion and insertion ------------------------------------------------------------------------


def linear(weights):
    return lambda x: (x * weights).sum((1, 2, 3))


@pytest.mark.parametrize("steps", [1, 7, 144])
def test_deletion_and_insertion_of_a_linear_model_follow_from_cumulative_sums(images, steps):
    weights = torch.randn(2, 12, 12, generator=generator(1))
    maps = torch.rand(3, 12, 12, generator=generator(2))
    found = deletion_insertion(linear(weights), (images,), maps, steps, 4, generator())
    mean = images.mean((2, 3), keepdim=True).expand_as(images).numpy()
    blurred = [[gaussian_filter(c, 5, mode="mirror", radius=5) for c in x] for x in images.numpy()]
    for name, start, end in (
        ("deletion", images.numpy(), mean),
        ("insertion", np.array(blurred), images.numpy()),
    ):
        for i in range(3):
            gain = ((end[i] - start[i]) * weights.numpy()).sum(0).ravel()
            order = np.argsort(-maps[i].numpy().ravel())
            gone = np.append(0, np.cumsum(gain[order]))
            done = np.ceil(np.linspace(0, 144, steps + 1)).astype(int)
            curve = (start[i] * weights.numpy()).sum() + gone[done]
            expected = np.trapezoid(curve, dx=1 / steps)
            assert found[name][i].item() == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_the_true_contributions_are_deleted_faster_than_any_other_order(images):
    """Of a linear model with weights ≥ 0 on pixels above the mean: no order beats its own."""
    weights = torch.rand(2, 12, 12, generator=generator(1))
    true = ((images - images.mean((2, 3), keepdim=True)) * weights).sum(1)
    options = (48, 10, generator())
    best = deletion_insertion(linear(weights), (images,), true, *options)["deletion"]
    worst = deletion_insertion(linear(weights), (images,), -true, *options)["deletion"]
    for seed in range(5):
        guess = torch.rand(3, 12, 12, generator=generator(seed))
        area = deletion_insertion(linear(weights), (images,), guess, *options)["deletion"]
        assert (best < area).all() and (area < worst).all()
    ends = linear(weights)(images), linear(weights)(images.mean((2, 3), True).expand_as(images))
    # an order and its reverse are mirror images about the middle of the two ends
    torch.testing.assert_close(best + worst, sum(ends), rtol=1e-4, atol=1e-3)


def test_only_the_first_of_a_pair_is_changed_and_chunks_do_not_matter(images):
    seen, other = [], images.flip(0)

    def objective(x, y):
        seen.extend(zip(x, y, strict=True))
        return (x * y).sum((1, 2, 3))

    maps = torch.rand(3, 12, 12, generator=generator(2))
    found = [
        deletion_insertion(objective, (images, other), maps, 6, chunk, generator())
        for chunk in (1, 4, 100)
    ]
    for name in ("deletion", "insertion"):
        for one in found[1:]:
            torch.testing.assert_close(one[name], found[0][name])
    assert len(seen) == 3 * 2 * 3 * 7  # chunk sizes, curves, items, points
    assert all(any(torch.equal(y, o) for o in other) for _, y in seen)
    assert any(torch.equal(x, images[0]) for x, _ in seen)


def test_equal_pixels_go_in_random_order(images):
    weights = torch.randn(2, 12, 12, generator=generator(1))
    flat = torch.ones(3, 12, 12)
    a, b, c = (
        deletion_insertion(linear(weights), (images,), maps, 12, 9, generator(seed))["deletion"]
        for maps, seed in ((flat, 0), (5 * flat, 0), (flat, 1))
    )
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_areas_stand_beside_the_maps_and_leave_them_as_they_are():
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder, unet = pair_of_models()
    plain, with_areas, again = (
        saliency_maps(encoder, unet, images, 30.0, View(), SETTINGS | {"deletion": n}, generator())
        for n in (0, 3, 3)
    )
    assert all(np.array_equal(plain[key], with_areas[key]) for key in plain)
    assert all(np.array_equal(with_areas[key], again[key]) for key in with_areas)
    of_networks = {k for k in plain if k.count(".") == 2 and not k.startswith("baseline")}
    added = {f"{key}.{area}" for key in of_networks for area in ("deletion", "insertion")}
    assert with_areas.keys() == plain.keys() | added
    view, key = View(), "finetuned.rotated.gradient"
    order = runtime.generator(0, "deletion")
    for row, maps in enumerate((plain[key], np.tile(plain["valid.rotated"], (2, 1, 1)))):
        expected = deletion_insertion(
            foreground_logit(unet),
            (view.original(images),),
            torch.tensor(maps).float(),
            3,
            4,
            order.clone_state(),
        )
        for name, area in expected.items():
            np.testing.assert_array_equal(with_areas[f"{key}.{name}"][row], area)


# -- folded batch-norm -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "convnext_tiny"])
def test_folding_changes_neither_function_nor_gradient(name):
    torch.manual_seed(0)
    encoder = Encoder(name)
    unet = UNet(encoder, 2, [16, 16, 8, 8, 8]).double().eval()
    for module in unet.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after training, not 0 and 1
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    x = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    for model, objective, inputs in (
        (encoder, pair_cosine, (x, x.flip(3))),
        (unet, foreground_logit, (x,)),
    ):
        fast = folded(model, x)
        left = [n for n, m in fast.named_modules() if isinstance(m, nn.BatchNorm2d)]
        assert set(left) <= {"encoder.network.bn2"}  # which the U-Net on EfficientNet does not use
        assert torch.allclose(fast(x), model(x), rtol=1e-9, atol=1e-12)
        ours = smoothgrad(objective(fast), inputs, 1, 0.0, 4, generator())
        copies = tuple(i.clone() for i in inputs)
        theirs = captum.attr.Saliency(objective(model)).attribute(copies, abs=True)
        for one, other in zip(ours, theirs, strict=True):
            other = other.amax(dim=1)
            assert (one - other).abs().max() < 1e-7 * other.max()


def test_folding_leaves_the_model_as_it_is():
    encoder = Encoder("resnet18")
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    folded(encoder, torch.rand(1, 3, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in encoder.modules())
