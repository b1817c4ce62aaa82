"""Randomised models, deletion and insertion."""

import numpy as np
import pytest
import torch
from factories import smooth
from scipy.ndimage import gaussian_filter
from torch import nn

from thetascope.learning.encoders import Encoder
from thetascope.saliency.sanity import deletion_insertion, randomised


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(3, 2, 12, 12, generator=generator(5))


FAMILIES = [
    "test_resnet",
    "test_convnext",
    "test_vit",
    "efficientnet_lite0",
]


def changed_layers(before, after):
    """For each layer, first to last, whether its weights, biases and all, have changed."""
    pairs = zip(before.modules(), after.modules(), strict=True)
    own = [(list(a.parameters(recurse=False)), list(b.parameters(recurse=False))) for a, b in pairs]
    changed = [{not torch.equal(x, y) for x, y in zip(a, b, strict=True)} for a, b in own if a]
    return [only for (only,) in changed]  # all of a layer's tensors or none


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
    encoder = Encoder("test_resnet", 3)
    images = torch.rand(4, 3, 32, 32, generator=generator())
    copy_ = randomised(encoder, 100, images, generator())
    for before, after in zip(encoder.parameters(), copy_.parameters(), strict=True):
        assert torch.equal(before.flatten().sort()[0], after.flatten().sort()[0])
    again, other = (randomised(encoder, 100, images, generator(seed)) for seed in (0, 1))
    states = zip(copy_.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)
    assert not torch.equal(*(next(model.network.parameters()) for model in (copy_, other)))


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


def test_maps_of_a_linear_model_do_not_survive_its_weights():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 12, 1), nn.Flatten(0))
    images = torch.rand(3, 2, 12, 12, generator=generator())
    shuffled = randomised(model, 100, images, generator())
    (maps,) = smooth(lambda x: shuffled(x[:, 0]), (images,), 1, 0.0, 3, generator())
    weights = shuffled[1].weight.view(2, 12, 12).detach()
    torch.testing.assert_close(maps[0], weights.abs().amax(0).expand(3, -1, -1))
    assert not torch.equal(weights.flatten(), model[1].weight[0])


def linear(weights):
    return lambda x: (x * weights).sum((2, 3, 4)).mean(1)


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
    mean = images.mean((2, 3), True).expand_as(images)
    ends = (linear(weights)(pictures[:, None]) for pictures in (images, mean))
    # an order and its reverse are mirror images about the middle of the two ends
    torch.testing.assert_close(best + worst, sum(ends), rtol=1e-4, atol=1e-3)


def test_only_the_first_of_a_pair_is_changed_and_chunks_do_not_matter(images):
    seen, other = [], images.flip(0)

    def objective(x, y):
        seen.extend(zip(x[:, 0], y[:, 0], strict=True))
        return (x * y).sum((1, 2, 3, 4))

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
