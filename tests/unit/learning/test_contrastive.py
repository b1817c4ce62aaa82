"""InfoNCE, NT-Xent, the queue and one step of learning against plain references."""

import copy
import math
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from factories import pretraining
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from thetascope.learning.contrastive import (
    COLUMNS,
    Learner,
    ProjectionHead,
    Queue,
    _update_momentum_model,
    moco_logits,
    simclr_logits,
)

SETTINGS = pretraining()


def unit(n, dim=8, seed=0):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize(("batch", "queue"), [(1, 1), (3, 7), (8, 5), (16, 32)])
def test_moco_loss_is_infonce(batch, queue):
    query, key, negatives = unit(batch, seed=1), unit(batch, seed=2), unit(queue, seed=3)
    logits = moco_logits(query, key, negatives, 0.2)
    ours = F.cross_entropy(logits, torch.zeros(batch, dtype=torch.long)).item()
    q, k, n = (x.double().numpy() for x in (query, key, negatives))
    losses = []
    for i in range(batch):
        positive = math.exp(q[i] @ k[i] / 0.2)
        others = sum(math.exp(q[i] @ n[j] / 0.2) for j in range(queue))
        losses.append(-math.log(positive / (positive + others)))
    assert ours == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5, 16])
def test_simclr_loss_is_nt_xent(batch):
    first, second = unit(batch, seed=1), unit(batch, seed=2)
    logits, targets = simclr_logits(first, second, 0.3)
    z = torch.cat([first, second]).double().numpy()
    losses = []
    for i in range(2 * batch):
        partner = (i + batch) % (2 * batch)
        others = sum(math.exp(z[i] @ z[j] / 0.3) for j in range(2 * batch) if j != i)
        losses.append(-math.log(math.exp(z[i] @ z[partner] / 0.3) / others))
    ours = F.cross_entropy(logits, targets).item()
    assert ours == pytest.approx(np.mean(losses), rel=1e-5, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(2, 6), st.floats(0.05, 2), st.integers(0, 99))
def test_simclr_loss_in_four_blocks(batch, dim, temperature, seed):
    """NT-Xent as two tables of similarities, within a view and across, by SciPy."""
    first, second = unit(batch, dim, seed), unit(batch, dim, seed + 1000)
    ours = F.cross_entropy(*simclr_logits(first, second, temperature)).item()
    a, b = first.double().numpy(), second.double().numpy()
    masked = np.where(np.eye(batch, dtype=bool), -np.inf, 0)
    total = 0.0
    for x, y in ((a, b), (b, a)):
        across, within = x @ y.T / temperature, x @ x.T / temperature + masked
        total += (logsumexp(np.hstack([across, within]), axis=1) - np.diag(across)).sum()
    assert ours == pytest.approx(total / (2 * batch), rel=1e-4, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 13), st.lists(st.integers(1, 17), max_size=6))
def test_queue_is_a_bounded_fifo(size, batches):
    queue = Queue(size, 2, torch.Generator().manual_seed(0), torch.device("cpu"))
    reference = deque([(-1, tuple(k.tolist())) for k in queue.keys], maxlen=size)
    count = 0
    for batch in batches:
        items = torch.arange(count, count + batch)
        keys = torch.stack([items.float(), -items.float()], dim=1)
        queue.enqueue(keys, items)
        reference.extend((i, (float(i), -float(i))) for i in items.tolist())
        count += batch
    ours = {(i, tuple(k)) for i, k in zip(queue.items.tolist(), queue.keys.tolist(), strict=True)}
    assert ours == set(reference)


def test_head_gives_unit_vectors_from_two_layers():
    head = ProjectionHead(6, 5, 4)
    x = torch.randn(3, 6)
    plain = torch.relu(x @ head[0].weight.T + head[0].bias) @ head[2].weight.T + head[2].bias
    torch.testing.assert_close(head(x), plain / plain.norm(dim=1, keepdim=True))


def test_without_hidden_units_the_head_is_linear():
    head = ProjectionHead(6, None, 4)
    x = torch.randn(5, 6)
    torch.testing.assert_close(head(x), F.normalize(x @ head[0].weight.T + head[0].bias, dim=1))
    assert len(list(head.parameters())) == 2
    assert len(learner("moco", hidden_dim=None).model[1]) == 1


def test_momentum_model_moves_by_its_share():
    model = torch.nn.Linear(3, 2)
    slow = copy.deepcopy(model)
    before = slow.weight.clone()
    with torch.no_grad():
        model.weight += 1
    _update_momentum_model(slow, model, 0.9)
    torch.testing.assert_close(slow.weight, 0.9 * before + 0.1 * model.weight)


def learner(method, **changes):
    encoder = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3),
        torch.nn.BatchNorm2d(5),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    encoder.num_features = 5
    settings = replace(SETTINGS, **changes)
    return Learner(encoder.eval(), method, settings, torch.Generator(), torch.device("cpu"))


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_a_step_tells_the_spread_and_the_cosines_of_pairs_and_of_others(method):
    torch.manual_seed(0)
    ours = learner(method)
    first, second = torch.rand(2, 16, 3, 8, 8)
    with torch.no_grad():
        a, b = ours.model(first), ours.model(second)
    if method == "moco":
        ours.queue.keys.copy_(F.normalize(b[:6] + b[6:12], dim=1))  # near, as random ones are not
        pairs, others = (a * b).sum(dim=1), a @ ours.queue.keys.T
    else:
        z, pairs = torch.cat([a, b]), (a * b).sum(dim=1).repeat(2)
        others = (z @ z.T)[~torch.eye(16, dtype=torch.bool).repeat(2, 2)].view(32, 30)
    items, nearest = torch.arange(16), (pairs > others.amax(dim=1)).float().mean().item()
    said = dict(zip(COLUMNS[2:], ours.step(first, second, items, items), strict=True))
    assert said["top1"].item() == pytest.approx(nearest) and 0 < nearest < 1
    assert said["positive"].item() == pytest.approx(pairs.mean().item(), rel=1e-5)
    assert said["negative"].item() == pytest.approx(others.mean().item(), rel=1e-5, abs=1e-6)
    assert said["spread"].item() == pytest.approx(np.sqrt(a.numpy().var(axis=0).sum()), rel=1e-5)


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_all_networks_train_by_the_statistics_of_their_own_batches(method):
    """PyTorch moves running means by a tenth of the way to a batch's, in training mode only."""
    ours = learner(method)
    first, second = torch.rand(2, 4, 3, 8, 8)
    with torch.no_grad():
        a, b = (ours.model[0][0](batch).mean((0, 2, 3)) for batch in (first, second))
    ours.step(first, second, torch.arange(4), torch.arange(4))
    of_query, of_key = (m[0][1].running_mean for m in (ours.model, ours.momentum_model))
    expected = (0.1 * a, 0.1 * b) if method == "moco" else (0.09 * a + 0.1 * b, 0 * b)
    torch.testing.assert_close((of_query, of_key), expected)
