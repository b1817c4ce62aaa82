"""SmoothGrad against captum, a linear model, and itself; folded batch-norm; guidance."""

from functools import partial

import captum.attr
import numpy as np
import pytest
import torch
from factories import smooth
from torch import nn

from thetascope.errors import UserError
from thetascope.learning.encoders import Encoder
from thetascope.learning.rotation import View
from thetascope.learning.segmentation import UNet
from thetascope.saliency.gradients import TOGETHER, folded, guided
from thetascope.saliency.objectives import foreground_logit, pair_cosine


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def of_rows(scalar):
    """Make an objective of a scalar of pictures [M, C, S, S], and of what is given with each."""

    def objective(*batches):
        copies = [b for b in batches if b.ndim == 5]
        given = [b.repeat_interleave(copies[0].shape[1], 0) for b in batches if b.ndim < 5]
        rows = scalar(*(c.flatten(0, 1) for c in copies), *given)
        return rows.unflatten(0, copies[0].shape[:2]).mean(1)

    return objective


def whole(scalar, *args, **options):
    """Maps of all samples, without those of the halves."""
    return tuple(maps[0] for maps in smooth(of_rows(scalar), *args, **options))


def mirrored(count, shape, noise):
    """Noise as it is documented: ε, −ε, the next ε, and so on."""
    drawn = torch.randn((count + 1) // 2, *shape, generator=noise)
    return torch.stack([sign * e for e in drawn for sign in (1, -1)])[:count]


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
    (maps,) = whole(lambda x: (x * weights).sum((1, 2, 3)), (images,), 7, 0.5, 3, generator())
    torch.testing.assert_close(maps, weights.abs().amax(0).expand(3, -1, -1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_on_a_gpu_the_noise_is_drawn_there_and_is_the_same_for_any_chunk_size(images):
    """The mean of x · noise over samples, which tells every draw by its place."""
    weights = torch.randn(2, 12, 12, generator=generator(1)).cuda()
    objective, inputs = lambda x: (x**2 * weights).sum((1, 2, 3)), (images.cuda(),)
    reference, *others = (
        whole(objective, inputs, 8, 0.15, chunk_size, generator())[0] for chunk_size in (24, 1, 5)
    )
    for maps in others:
        torch.testing.assert_close(maps, reference, rtol=1e-5, atol=1e-6)
    (on_cpu,) = whole(
        lambda x: (x**2 * weights.cpu()).sum((1, 2, 3)), (images,), 8, 0.15, 24, generator()
    )
    assert not torch.allclose(reference.cpu(), on_cpu, rtol=1e-3)


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 8, 20, 100])
@pytest.mark.parametrize("samples", [8, 2 * TOGETHER + 6])
def test_the_chunk_size_does_not_change_the_result(network, images, chunk_size, samples):
    (reference,) = whole(network, (images,), samples, 0.15, 24, generator())
    (maps,) = whole(network, (images,), samples, 0.15, chunk_size, generator())
    torch.testing.assert_close(maps, reference, rtol=1e-5, atol=1e-7)


def test_against_captum_with_the_same_noise(network, images):
    samples, level = 12, 0.15
    (ours,) = whole(network, (images,), samples, level, 4, generator(3))
    noise, saliency = generator(3), captum.attr.Saliency(network)
    for image, map_ in zip(images, ours, strict=True):
        sigma = level * (image.max() - image.min())
        halves = [mirrored(samples // 2, image.shape, noise) for _ in range(2)]
        noisy = image + sigma * torch.cat(halves)
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
    (ours,) = whole(network, (image,), 400, 0.15, 100, generator())
    pair = np.stack([ours[0].flatten(), theirs[0].abs().amax(dim=0).flatten().detach()])
    assert np.corrcoef(pair)[0, 1] > 0.98


def test_without_noise_it_is_the_plain_gradient(network, images):
    (maps,) = whole(network, (images,), 1, 0.0, 2, generator())
    theirs = captum.attr.Saliency(network).attribute(images.clone(), abs=True).amax(dim=1)
    torch.testing.assert_close(maps, theirs)


def test_noise_is_relative_to_each_items_range():
    """The mean gradient of x³ is 3(x² + σ²): it tells the σ that was used."""
    images = torch.zeros(2, 1, 4, 4)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 1.0, 10.0
    (maps,) = whole(lambda x: (x**3).sum((1, 2, 3)), (images,), 4000, 0.2, 500, generator())
    sigma = (maps[:, 1:, :].mean(dim=(1, 2)) / 3).sqrt()
    torch.testing.assert_close(sigma, torch.tensor([0.2, 2.0]), rtol=0.03, atol=0)


def test_quarter_turn_equivariance(images):
    """A scalar that does not change under rotation has maps that turn with the picture."""

    def scalar(x):
        return (x**2).sum((1, 2, 3)) ** 1.5

    (plain,) = whole(scalar, (images,), 1, 0.0, 8, generator())
    (turned,) = whole(scalar, (View().rotated(images, 90.0),), 1, 0.0, 8, generator())
    torch.testing.assert_close(View().align(turned, 90.0), plain)


def test_guided_agrees_with_captum_and_leaves_no_trace(network, images):
    with guided(network):
        (ours,) = whole(network, (images,), 1, 0.0, 8, generator())
    theirs = captum.attr.GuidedBackprop(network).attribute(images.clone()).abs().amax(dim=1)
    torch.testing.assert_close(ours, theirs)
    (plain,) = whole(network, (images,), 1, 0.0, 8, generator())
    assert not torch.allclose(plain, ours)
    assert not any(m._backward_hooks for m in network.modules())


def test_guided_restores_relus_that_work_in_place():
    torch.manual_seed(0)
    encoder = Encoder("efficientnet_lite0", 3).eval()
    before = [getattr(m, "inplace", None) for m in encoder.modules()]
    with guided(encoder):
        x = torch.rand(1, 3, 32, 32)
        (maps,) = whole(lambda x: encoder(x).sum(1), (x,), 1, 0.0, 1, generator())
    assert maps.isfinite().all()
    assert [getattr(m, "inplace", None) for m in encoder.modules()] == before


@pytest.mark.parametrize("name", ["test_convnext", "test_vit", "mobilenetv3_small_050"])
def test_guided_is_refused_with_other_activations(name):
    with pytest.raises(UserError, match=r"saliency\.guided"), guided(Encoder(name, 3)):
        pass


@pytest.mark.parametrize("chunk_size", [1, 3, 8, 100])
@pytest.mark.parametrize("samples", [5, 2 * TOGETHER + 6])
def test_the_chunk_size_does_not_change_the_maps_of_a_pair(images, chunk_size, samples):
    inputs = images, images.flip(0)
    cosine = pair_cosine(lambda x: (x**2).flatten(1))  # where copies meet those of the other
    reference = smooth(cosine, inputs, samples, 0.15, 15, generator())
    maps = smooth(cosine, inputs, samples, 0.15, chunk_size, generator())
    for ours, theirs in zip(maps, reference, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_antithetic_noise_takes_the_linear_part_of_the_error(images):
    """The gradient of x² is 2 (x + ε): what is left of ε is 0 for pairs, for any noise."""
    (pairs,) = smooth(of_rows(lambda x: (x**2).sum((1, 2, 3))), (images,), 4, 0.5, 8, generator())
    for map_ in pairs:  # the whole and both halves
        torch.testing.assert_close(map_, 2 * images.amax(1))


def test_the_halves_have_noise_of_their_own(images):
    """Else their correlation would say nothing: for x³ each half leaves 3 ε², its own."""
    ((_, first, second),) = smooth(
        of_rows(lambda x: (x**3).sum((1, 2, 3))), (0 * images + images[:, :, :1],), 4, 0.5, 8,
        generator(),
    )  # fmt: skip
    left = [m - 3 * images[:, :, :1].pow(2).amax(1) for m in (first, second)]
    assert abs(np.corrcoef(left[0].flatten(), left[1].flatten())[0, 1]) < 0.15


def test_the_inputs_of_a_pair_get_noise_of_their_own(images):
    """For |x − y|² the gradient is twice the difference of the two noises, 0 if they were one."""

    def distance(x, y):
        return ((x - y) ** 2).sum((1, 2, 3))

    maps = whole(distance, (images, images), 1, 0.15, 4, generator())
    assert all(m.mean() > 0.05 for m in maps)
    torch.testing.assert_close(*maps)


@pytest.mark.parametrize(("samples", "chunk_size"), [(6, 4), (7, 5), (2, 1)])
def test_each_half_is_the_map_of_its_own_samples(network, images, samples, chunk_size):
    (maps,) = smooth(of_rows(network), (images,), samples, 0.15, chunk_size, generator(3))
    noise, saliency = generator(3), captum.attr.Saliency(network)
    first = samples - samples // 2
    for image, of_image in zip(images, maps.transpose(0, 1), strict=True):
        sigma = 0.15 * (image.max() - image.min())
        drawn = [mirrored(n, image.shape, noise) for n in (first, samples - first)]
        noisy = image + sigma * torch.cat(drawn)
        gradients = saliency.attribute(noisy, abs=False)
        for part, map_ in zip(
            (gradients, gradients[:first], gradients[first:]), of_image, strict=True
        ):
            expected = part.mean(dim=0).abs().amax(dim=0)
            torch.testing.assert_close(map_, expected, rtol=1e-4, atol=1e-7)


def test_one_sample_has_no_halves(network, images):
    (maps,) = smooth(of_rows(network), (images,), 1, 0.15, 8, generator())
    assert maps[0].isfinite().all() and maps[2].isnan().all()
    assert torch.equal(maps[0], maps[1])


def test_what_is_given_with_an_item_goes_with_all_its_copies(images):
    """A linear model of which each item shows another part: its map is that part's weights."""
    weights = torch.randn(2, 12, 12, generator=generator(1))
    parts = torch.rand(3, 12, 12, generator=generator(2)) < 0.3
    for chunk_size in (1, 4, 100):
        (maps,) = whole(
            lambda x, part: (x * weights * part[:, None]).sum((1, 2, 3)),
            *((images,), 5, 0.5, chunk_size, generator()),
            given=(parts,),
        )
        torch.testing.assert_close(maps, weights.abs().amax(0) * parts)


def test_same_generator_same_maps_and_another_others(network, images):
    first, again, other = (
        whole(network, (images,), 3, 0.15, 8, generator(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_items_map_does_not_depend_on_the_items_after_it(network, images):
    (all_of_them,) = whole(network, (images,), 3, 0.15, 8, generator())
    (first,) = whole(network, (images[:1],), 3, 0.15, 8, generator())
    torch.testing.assert_close(all_of_them[:1], first)


def test_guided_on_a_residual_network_agrees_with_captum():
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3).eval()
    x = torch.rand(2, 3, 32, 32, generator=generator())
    with guided(encoder):
        (ours,) = whole(lambda x: encoder(x)[:, 7], (x,), 1, 0.0, 8, generator())
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
        whole(objective, (images,), 4, 0.1, 2, generator(), scale)
        noise = torch.cat(seen).view(3, 4, 40, 40) - images
        assert noise.std((1, 2, 3)).tolist() == pytest.approx(expected, rel=0.03)


def test_times_input_of_a_linear_model_is_the_product(images):
    weights = torch.randn(2, 12, 12, generator=generator(1))
    scalar = of_rows(lambda x: (x * weights).sum((1, 2, 3)))
    (maps,) = smooth(scalar, (images,), 3, 0.5, 4, generator(), "range", True)
    for map_ in maps:  # the whole and both halves
        torch.testing.assert_close(map_, (images * weights).abs().amax(1))


@pytest.mark.parametrize("name", ["test_resnet", "efficientnet_lite0", "test_convnext"])
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
    some = torch.rand(2, 32, 32) < 0.5
    for model, objective, inputs in (
        (encoder, pair_cosine, (x, x.flip(3))),
        (unet, lambda model: partial(foreground_logit(model), where=some), (x,)),
    ):
        fast = folded(model, x)
        left = [n for n, m in fast.named_modules() if isinstance(m, nn.BatchNorm2d)]
        assert set(left) <= {"encoder.network.bn2"}  # which the U-Net on EfficientNet does not use
        assert torch.allclose(fast(x), model(x), rtol=1e-9, atol=1e-12)
        ours = smooth(objective(fast), inputs, 1, 0.0, 4, generator())
        copies = tuple(i[:, None].clone() for i in inputs)
        theirs = captum.attr.Saliency(objective(model)).attribute(copies, abs=True)
        for one, other in zip(ours, theirs, strict=True):
            one, other = one[0], other[:, 0].amax(dim=1)
            assert (one - other).abs().max() < 1e-7 * other.max()


def test_folding_leaves_the_model_as_it_is():
    encoder = Encoder("test_resnet")
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    folded(encoder, torch.rand(1, 3, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in encoder.modules())
