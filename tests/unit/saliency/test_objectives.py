"""The scalars behind the maps, and their gradients."""

import numpy as np
import torch
from factories import smooth

from thetascope.learning.encoders import Encoder
from thetascope.saliency.objectives import foreground_logit, pair_cosine


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_both_inputs_of_a_pair_get_their_own_gradient():
    torch.manual_seed(0)
    encoder = Encoder("test_resnet", 3).eval()
    x, y = (torch.rand(2, 3, 32, 32, generator=generator(i)) for i in (1, 2))
    ours = smooth(pair_cosine(encoder), (x, y), 1, 0.0, 8, generator())
    for position, map_ in enumerate(ours):
        pair = [x.clone(), y.clone()]
        pair[position].requires_grad_()
        a, b = (encoder(p) for p in pair)
        cosine = (a * b).sum(1) / a.norm(dim=1) / b.norm(dim=1)
        (gradient,) = torch.autograd.grad(cosine.sum(), pair[position])
        torch.testing.assert_close(map_[0], gradient.abs().amax(1), rtol=1e-3, atol=1e-6)


def test_foreground_logit_is_the_log_odds_of_any_foreground():
    logits = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    p = logits.softmax(dim=1).numpy()
    odds = (p[:, 1] + p[:, 2]) / p[:, 0]
    for where in (torch.rand(2, 4, 4) < 0.5, torch.ones(2, 4, 4, dtype=torch.bool)):
        ours = foreground_logit(lambda x: x)(logits[:, None], where)
        theirs = [np.log(o)[w].mean() for o, w in zip(odds, where.numpy(), strict=True)]
        np.testing.assert_allclose(ours, theirs)


def test_the_cosine_of_a_picture_with_itself_has_no_gradient():
    """Its maximum, 1: at θ = 0 and 360 the plain gradient of the pair is 0 but for rounding."""
    torch.manual_seed(0)
    cosine = pair_cosine(Encoder("test_resnet", 3).eval())
    x = torch.rand(1, 3, 32, 32, generator=generator())
    largest = {
        turns: smooth(cosine, (x, x.rot90(turns, (2, 3))), 1, 0.0, 2, generator())[0][0].max()
        for turns in (0, 1)
    }
    assert largest[0] < 1e-4 * largest[1]


def test_the_scalar_of_a_pair_is_the_mean_cosine_of_all_pairs_of_copies():
    x, y = (torch.randn(2, 4, 3, 2, 2, generator=generator(i)) for i in (1, 2))
    ours = pair_cosine(lambda z: z.flatten(1))(x, y)
    for item, value in enumerate(ours):
        a, b = (z[item].flatten(1).double().numpy() for z in (x, y))
        norms = np.linalg.norm(a, axis=1)[:, None] * np.linalg.norm(b, axis=1)
        np.testing.assert_allclose(value, (a @ b.T / norms).mean(), rtol=1e-5)


def test_all_pairs_of_copies_have_the_expectation_of_one_pair_and_less_noise():
    """Gradients of eight copies that meet, and of eight pairs that do not, over many draws."""
    weights = torch.randn(48, 12, generator=generator(3))
    x, y = (torch.rand(1, 3, 4, 4, generator=generator(i)) for i in (1, 2))
    draws, copies = 400, 8

    def encoder(z):
        return (z.flatten(1) @ weights).tanh()

    def gradient(seed, met):
        noise = 0.3 * torch.randn(2, 1, copies, 3, 4, 4, generator=generator(seed))
        of_x, of_y = (x[:, None] + noise[0]).requires_grad_(), y[:, None] + noise[1]
        rows = (of_x, of_y) if met else (z.transpose(0, 1) for z in (of_x, of_y))
        scalar = pair_cosine(encoder)(*rows).mean()
        return torch.autograd.grad(scalar, of_x)[0].sum(1)

    met, apart = (
        torch.stack([gradient(seed, kind) for seed in range(draws)]) for kind in (True, False)
    )
    error = (met.var(0) + apart.var(0)).div(draws).sum().sqrt()
    assert (met.mean(0) - apart.mean(0)).norm() < 1.5 * error
    assert met.var(0).sum() < 0.8 * apart.var(0).sum()
