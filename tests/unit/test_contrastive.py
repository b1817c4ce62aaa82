"""InfoNCE, NT-Xent, the queue and the training loop against plain references."""

import copy
import math
from collections import deque

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from thetascope.contrastive import (
    ProjectionHead,
    Queue,
    _update_momentum_model,
    moco_logits,
    pretrain,
    simclr_logits,
)
from thetascope.encoders import Encoder
from thetascope.errors import UserError
from thetascope.rotation import View

SETTINGS = {
    "epochs": 2,
    "batch_size": 4,
    "lr": 0.5,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "temperature": 0.2,
    "queue_size": 6,
    "encoder_momentum": 0.9,
    "hidden_dim": 32,
    "output_dim": 16,
}


def unit(n, dim=8, seed=0):
    return F.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def train(angle=90.0, method="moco", seed=0, n=10, **changes):
    torch.manual_seed(0)
    encoder = Encoder("resnet18", 3)
    images = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    table = pretrain(
        encoder,
        images,
        angle,
        View(),
        method,
        {**SETTINGS, **changes},
        torch.Generator().manual_seed(seed),
    )
    return encoder, table


def same_weights(a, b):
    states = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in states)


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


def test_momentum_model_moves_by_its_share():
    model = torch.nn.Linear(3, 2)
    slow = copy.deepcopy(model)
    before = slow.weight.clone()
    with torch.no_grad():
        model.weight += 1
    _update_momentum_model(slow, model, 0.9)
    torch.testing.assert_close(slow.weight, 0.9 * before + 0.1 * model.weight)


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_same_seed_same_weights_and_another_angle_others(method):
    (first, table), (again, same) = train(method=method), train(method=method)
    assert same_weights(first, again)
    assert table.equals(same)
    assert not same_weights(first, train(angle=30.0, method=method)[0])
    assert not same_weights(first, train(seed=1, method=method)[0])


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_training_learns_to_tell_pairs(method):
    _, table = train(method=method, epochs=15, n=12)
    # the first epoch meets random keys in the queue, which are too easy to tell from real ones
    start, end = table.iloc[1:4].mean(), table.iloc[-3:].mean()
    assert end["loss"] < start["loss"] - 0.1
    assert end["top1"] > start["top1"]
    assert end["positive"] - end["negative"] > start["positive"] - start["negative"]


def test_no_epoch_leaves_the_encoder_alone():
    torch.manual_seed(0)
    untouched = Encoder("resnet18", 3)
    encoder, table = train(epochs=0)
    assert same_weights(encoder, untouched)
    assert table.empty


def test_random_angle_is_repeatable():
    assert same_weights(train(angle=None)[0], train(angle=None)[0])
    assert not same_weights(train(angle=None)[0], train(angle=0.0)[0])


def test_own_key_share_counts_an_images_own_keys():
    """Batch = data set = queue: from the second epoch on, one key in N is the query's own."""
    _, table = train(n=4, queue_size=4, epochs=3)
    assert table["own_key_share"].tolist() == pytest.approx([0, 1 / 4, 1 / 4])


def test_learning_rate_falls_as_a_cosine():
    _, table = train(epochs=4)
    peak = 0.5 * 4 / 256
    expected = [peak * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)]
    assert table["lr"].tolist() == pytest.approx(expected)


def test_batch_and_queue_larger_than_the_data():
    _, table = train(n=3, batch_size=64, queue_size=50)
    assert np.isfinite(table["loss"]).all()


def test_one_image_is_refused():
    with pytest.raises(UserError, match="at least 2"):
        train(n=1)


def test_a_loss_that_is_not_finite_stops_with_the_epoch():
    with pytest.raises(UserError, match=r"epoch 1.*pretrain\.lr"):
        train(lr=1e12, epochs=3, n=12)
