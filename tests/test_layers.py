"""Layers and losses as modules: shapes, defaults, modes, messages; their maths is tested as ops."""

import math

import numpy as np
import pytest

import pydl
import pydl.nn as nn
import pydl.nn.functional as F


def image(device, *shape, seed=0):
    return pydl.tensor(np.random.default_rng(seed).standard_normal(shape), device=device)


@pytest.mark.parametrize(
    ("make", "shape", "out"),
    [
        (lambda d: nn.Linear(6, 4, device=d), (2, 3, 6), (2, 3, 4)),
        (lambda d: nn.Conv2d(3, 8, 3, device=d), (2, 3, 9, 8), (2, 8, 7, 6)),
        (lambda d: nn.Conv2d(3, 8, (3, 1), 2, 1, device=d), (2, 3, 9, 8), (2, 8, 5, 5)),
        (lambda d: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=2, device=d),)
        + ((2, 4, 9, 8), (2, 8, 9, 8)),
        (lambda d: nn.Conv2d(3, 8, (5, 3), padding="same", device=d), (2, 3, 9, 8), (2, 8, 9, 8)),
        (lambda d: nn.Conv2d(3, 8, 3, padding="valid", device=d), (2, 3, 9, 8), (2, 8, 7, 6)),
        (lambda d: nn.MaxPool2d(2), (2, 3, 9, 8), (2, 3, 4, 4)),
        (lambda d: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 8), (2, 3, 5, 5)),
        (lambda d: nn.AvgPool2d((2, 4)), (2, 3, 9, 8), (2, 3, 4, 2)),
        (lambda d: nn.AdaptiveAvgPool2d((None, 1)), (2, 3, 9, 8), (2, 3, 9, 1)),
        (lambda d: nn.Flatten(), (2, 3, 9, 8), (2, 216)),
        (lambda d: nn.Flatten(0, 1), (2, 3, 9, 8), (6, 9, 8)),
        (lambda d: nn.Unflatten(1, (3, -1)), (2, 12), (2, 3, 4)),
        (lambda d: nn.Unflatten(-1, (2, 2)), (3, 4), (3, 2, 2)),
        (lambda d: nn.Identity(1, any="thing"), (2, 3), (2, 3)),
        (lambda d: nn.BatchNorm1d(3, device=d), (4, 3), (4, 3)),
        (lambda d: nn.BatchNorm1d(3, device=d), (4, 3, 5), (4, 3, 5)),
        (lambda d: nn.BatchNorm2d(3, device=d), (4, 3, 5, 2), (4, 3, 5, 2)),
    ],
)
def test_shapes(device, make, shape, out):
    assert make(device)(image(device, *shape)).shape == out


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.ReLU(inplace=True), F.relu),
        (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
        (nn.ELU(0.5), lambda x: F.elu(x, 0.5)),
        (nn.SiLU(), F.silu),
        (nn.GELU(), F.gelu),
        (nn.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
        (nn.Sigmoid(), F.sigmoid),
        (nn.Tanh(), F.tanh),
        (nn.Softplus(2.0, 5.0), lambda x: F.softplus(x, 2.0, 5.0)),
        (nn.Softmax(dim=0), lambda x: F.softmax(x, 0)),
        (nn.LogSoftmax(dim=1), lambda x: F.log_softmax(x, 1)),
        (nn.Softmin(dim=0), lambda x: F.softmin(x, 0)),
    ],
)
def test_activations(device, layer, function):
    x = image(device, 3, 4)
    before = x.numpy().copy()
    np.testing.assert_array_equal(layer(x).numpy(), function(x).numpy())
    np.testing.assert_array_equal(x.numpy(), before)


def test_softmax2d(device):
    x = image(device, 2, 3, 4, 5)
    np.testing.assert_array_equal(nn.Softmax2d()(x).numpy(), F.softmax(x, 1).numpy())
    np.testing.assert_array_equal(nn.Softmax2d()(x[0]).numpy(), F.softmax(x[0], 0).numpy())
    with pytest.raises(ValueError, match=r"^Softmax2d: x is \(N, C, H, W\) or \(C, H, W\)"):
        nn.Softmax2d()(x[0, 0])


LOSSES = [
    (nn.MSELoss, {}, F.mse_loss),
    (nn.L1Loss, {}, F.l1_loss),
    (nn.SmoothL1Loss, {"beta": 0.5}, F.smooth_l1_loss),
    (nn.HuberLoss, {"delta": 0.3}, F.huber_loss),
    (nn.PoissonNLLLoss, {"full": True}, F.poisson_nll_loss),
    (nn.HingeEmbeddingLoss, {"margin": 0.4}, F.hinge_embedding_loss),
    (nn.SoftMarginLoss, {}, F.soft_margin_loss),
    (nn.MultiLabelSoftMarginLoss, {}, F.multilabel_soft_margin_loss),
    (nn.MultiMarginLoss, {"p": 2, "margin": 0.6}, F.multi_margin_loss),
    (nn.BCELoss, {}, F.binary_cross_entropy),
    (nn.BCEWithLogitsLoss, {}, F.binary_cross_entropy_with_logits),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.1, "ignore_index": 2}, F.cross_entropy),
    (nn.NLLLoss, {"ignore_index": 2}, F.nll_loss),
]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("make", "options", "function"), LOSSES)
def test_losses(device, make, options, function, reduction):
    x = pydl.sigmoid(image(device, 6, 3))
    y = pydl.sigmoid(image(device, 6, 3, seed=1))
    if make in (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss):
        y = pydl.tensor([0, 1, 2, 2, 1, 0], device=device)
        options = {**options, "weight": pydl.tensor([1.0, 2.0, 3.0], device=device)}
    loss = make(**options, reduction=reduction)
    expected = function(x, y, **options, reduction=reduction)
    np.testing.assert_array_equal(loss(x, y).numpy(), expected.numpy())
    with pytest.raises(ValueError, match="reduction must be one of none, mean, sum, got 'avg'"):
        make(reduction="avg")


def test_losses_of_three_tensors(device):
    a, b = (image(device, 6, 3, seed=i) for i in (0, 1))
    sign = pydl.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0], device=device)
    var = pydl.sigmoid(a)
    pairs = [
        (nn.GaussianNLLLoss(full=True)(a, b, var), F.gaussian_nll_loss(a, b, var, full=True)),
        (nn.KLDivLoss(reduction="batchmean")(a, var), F.kl_div(a, var, reduction="batchmean")),
        (
            nn.MarginRankingLoss(0.3)(a[:, 0], b[:, 0], sign),
            F.margin_ranking_loss(a[:, 0], b[:, 0], sign, 0.3),
        ),
        (nn.CosineEmbeddingLoss(0.1)(a, b, sign), F.cosine_embedding_loss(a, b, sign, 0.1)),
        (
            nn.TripletMarginLoss(2.0, 1.0, swap=True)(a, b, var),
            F.triplet_margin_loss(a, b, var, 2.0, 1.0, swap=True),
        ),
        (nn.CosineSimilarity(0)(a, b).sum(), F.cosine_similarity(a, b, 0).sum()),
        (nn.PairwiseDistance(1.0)(a, b).sum(), F.pairwise_distance(a, b, 1.0).sum()),
    ]
    for got, want in pairs:
        assert got.item() == want.item()


def test_loss_options_are_checked():
    for make in (
        lambda: nn.HuberLoss("mean", 0.0),
        lambda: nn.MultiMarginLoss(3),
        lambda: nn.SmoothL1Loss(beta=-1.0),
        lambda: nn.TripletMarginLoss(0.0),
        lambda: nn.MSELoss(reduction="batchmean"),
    ):
        with pytest.raises(ValueError, match=r"Loss: (delta|margin|p|beta|reduction) must be"):
            make()


def test_loss_weights_are_buffers(device):
    weight = pydl.tensor([1.0, 2.0], device=device)
    loss = nn.BCEWithLogitsLoss(weight, pos_weight=pydl.tensor([3.0, 4.0], device=device))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert list(nn.BCEWithLogitsLoss().state_dict()) == []
    x, y = image(device, 3, 2), pydl.sigmoid(image(device, 3, 2))
    expected = F.binary_cross_entropy_with_logits(x, y, weight, pos_weight=loss.pos_weight)
    assert loss(x, y).item() == expected.item()


@pytest.mark.parametrize(
    ("make", "shape", "fan_in"),
    [
        (lambda d: nn.Linear(200, 300, device=d), (300, 200), 200),
        (lambda d: nn.Conv2d(16, 32, (5, 3), groups=2, device=d), (32, 8, 5, 3), 120),
    ],
)
def test_default_initialisation(device, make, shape, fan_in):
    layer = make(device)
    assert layer.weight.shape == shape
    assert layer.bias.shape == shape[:1]
    bound = 1 / math.sqrt(fan_in)
    for p in (layer.weight, layer.bias):
        assert np.abs(p.numpy()).max() <= np.float32(bound)
        assert np.abs(p.numpy()).max() > 0.8 * bound
    assert layer.weight.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    before = layer.weight.numpy().copy()
    layer.reset_parameters()
    assert (layer.weight.numpy() != before).mean() > 0.99


def test_without_bias(device):
    assert list(nn.Linear(2, 3, bias=False, device=device).state_dict()) == ["weight"]
    conv = nn.Conv2d(1, 2, 3, bias=False, device=device)
    assert list(conv.state_dict()) == ["weight"]
    assert not conv(pydl.zeros(1, 1, 3, 3, device=device)).numpy().any()


def test_dropout_drops_in_training_only(device):
    layer = nn.Dropout(0.25)
    x = pydl.ones(100, 100, device=device)
    y = layer(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert layer.eval()(x) is x


def reference_norm(x, mean, var, eps=1e-5):
    shape = (1, -1, *[1] * (x.ndim - 2))
    return (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_batch_norm_running_statistics(device, momentum):
    layer = nn.BatchNorm2d(3, momentum=momentum, device=device)
    mean, var = np.zeros(3), np.ones(3)
    for i in range(1, 4):
        x = image(device, 4, 3, 5, 2, seed=i)
        y = layer(x).detach().numpy()
        a = x.numpy().astype(np.float64)
        expected = reference_norm(a, a.mean((0, 2, 3)), a.var((0, 2, 3)))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
        m = 1 / i if momentum is None else momentum
        mean = (1 - m) * mean + m * a.mean((0, 2, 3))
        var = (1 - m) * var + m * a.var((0, 2, 3), ddof=1)
    assert layer.num_batches_tracked.item() == 3
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-5)
    y = layer.eval()(x).detach().numpy()
    np.testing.assert_allclose(y, reference_norm(a, mean, var), rtol=1e-5, atol=1e-5)
    assert layer.num_batches_tracked.item() == 3
    layer.reset_parameters()
    assert layer.num_batches_tracked.item() == 0
    assert layer.running_mean.numpy().tolist() == [0.0] * 3
    assert layer.running_var.numpy().tolist() == [1.0] * 3


def test_batch_norm_without_statistics_or_weights(device):
    layer = nn.BatchNorm1d(3, affine=False, track_running_stats=False, device=device).eval()
    assert list(layer.state_dict()) == []
    x = image(device, 8, 3)
    a = x.numpy()
    expected = reference_norm(a, a.mean(0), a.var(0))
    np.testing.assert_allclose(layer(x).numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer.train()(x).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_clip_grad_norm(device):
    params = [pydl.zeros(2, device=device, requires_grad=True) for _ in range(3)]

    def give():
        params[0].grad = pydl.tensor([3.0, 0.0], device=device)
        params[1].grad = pydl.tensor([0.0, -4.0], device=device)

    give()
    assert nn.utils.clip_grad_norm_(params, 10.0).item() == 5.0
    assert params[1].grad.numpy().tolist() == [0.0, -4.0]
    assert nn.utils.clip_grad_norm_(iter(params), 1.0).item() == 5.0
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.numpy(), [0.0, -0.8], rtol=1e-6)
    give()
    assert nn.utils.clip_grad_norm_(params, 1.0, math.inf).item() == 4.0
    np.testing.assert_allclose(params[0].grad.numpy(), [0.75, 0.0], rtol=1e-6)
    give()
    assert nn.utils.clip_grad_norm_(params, 3.5, 1).item() == pytest.approx(7.0)
    np.testing.assert_allclose(params[1].grad.numpy(), [0.0, -2.0], rtol=1e-6)
    assert nn.utils.clip_grad_norm_(params[2], 1.0).item() == 0.0
    params[2].grad = pydl.tensor([math.nan, 1.0], device=device)
    with pytest.raises(ValueError, match="norm of the gradients is nan"):
        nn.utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_get_total_norm(device):
    x, y = pydl.tensor([[3.0, 0.0]], device=device), pydl.tensor(-4.0, device=device)
    assert nn.utils.get_total_norm([x, y]).item() == 5.0
    assert nn.utils.get_total_norm(iter([x, y]), 1).item() == 7.0
    assert nn.utils.get_total_norm([x, y], math.inf).item() == 4.0
    assert nn.utils.get_total_norm(x).item() == 3.0
    assert nn.utils.get_total_norm([]).item() == 0.0
    assert x.numpy().tolist() == [[3.0, 0.0]]
    bad = pydl.tensor([math.inf], device=device)
    assert nn.utils.get_total_norm([x, bad]).item() == math.inf
    with pytest.raises(ValueError, match="norm of the gradients is inf"):
        nn.utils.get_total_norm([x, bad], error_if_nonfinite=True)


def test_clipping_gradients_that_two_parameters_share(device):
    a, b = (pydl.zeros(2, device=device, requires_grad=True) for _ in range(2))
    (a + b).sum().backward()
    nn.utils.clip_grad_norm_([a, b], 1.0)
    for p in (a, b):
        np.testing.assert_allclose(p.grad.numpy(), [0.5, 0.5], rtol=1e-5)
    nn.utils.clip_grad_value_([a, b], 0.25)
    assert a.grad.numpy().tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups=2 must divide in_channels=3"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="mirror"), "padding_mode must be"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), 'padding must be "same" or "valid"'),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), "needs stride 1"),
        (lambda: nn.Conv2d(3, 4, 0), "Conv2d: kernel_size"),
        (lambda: nn.Conv2d(3, 4, 3, stride=(1, 0)), "Conv2d: stride"),
        (lambda: nn.Conv2d(3, 4, 3, padding=-1), "Conv2d: padding"),
        (lambda: nn.Dropout(1.5), r"Dropout: p must be in \[0, 1\], got 1.5"),
        (lambda: nn.GELU("erf"), "GELU: approximate must be"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), "label_smoothing must be in"),
        (lambda: nn.SmoothL1Loss(beta=-1), "beta must be >= 0"),
    ],
)
def test_construction_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda d: nn.Linear(6, 4, device=d), (2, 5), r"linear: .*\(4, 6\).*\(2, 5\)"),
        (lambda d: nn.Conv2d(3, 4, 3, device=d), (1, 2, 5, 5), "conv2d: weight has C=3, input has"),
        (lambda d: nn.BatchNorm2d(3, device=d), (1, 2, 5, 5), r"BatchNorm2d: expected 4-d.*C=3"),
        (lambda d: nn.BatchNorm1d(3, device=d), (3,), r"BatchNorm1d: expected 2-d or 3-d"),
    ],
)
def test_input_errors(device, make, shape, message):
    with pytest.raises(ValueError, match=message):
        make(device)(image(device, *shape))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            nn.Conv2d(2, 4, 3, 2, 1, 2, 2, False, device="numpy"),
            "padding=(1, 1), dilation=(2, 2), groups=2, bias=False",
        ),
        (nn.MaxPool2d(2), "kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False"),
        (nn.AvgPool2d(3, 1), "kernel_size=3, stride=1, padding=0"),
        (nn.AdaptiveAvgPool2d(1), "output_size=1"),
        (nn.Dropout(), "p=0.5, inplace=False"),
        (nn.ReLU(inplace=True), "ReLU(inplace=True)"),
        (nn.ReLU(), "ReLU()"),
        (nn.LeakyReLU(inplace=True), "negative_slope=0.01, inplace=True"),
        (nn.ELU(), "ELU(alpha=1.0)"),
        (nn.GELU(), "GELU(approximate='none')"),
        (nn.Softplus(), "beta=1.0, threshold=20.0"),
        (nn.Softmax(1), "Softmax(dim=1)"),
        (nn.LogSoftmax(1), "LogSoftmax(dim=1)"),
        (nn.SiLU(), "SiLU()"),
        (nn.Unflatten(1, (2, 3)), "dim=1, unflattened_size=(2, 3)"),
    ],
)
def test_repr(layer, text):
    assert text in repr(layer)


def test_parameters_as_one_vector(device):
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, bias=False)).to(device)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (3 * 2 + 2 + 2,)
    (g,) = pydl.grad(vector.square().sum(), net[1].weight)
    np.testing.assert_allclose(g.numpy(), 2 * net[1].weight.detach().numpy(), rtol=1e-6)
    nn.utils.vector_to_parameters(pydl.arange(10.0, device=device), net.parameters())
    assert net[0].weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert net[1].weight.tolist() == [[8, 9]]
    with pytest.raises(ValueError, match=r"vector_to_parameters: \(3,\) for parameters of 10"):
        nn.utils.vector_to_parameters(pydl.ones(3, device=device), net.parameters())
    with pytest.raises(ValueError, match="parameters_to_vector: got no parameters"):
        nn.utils.parameters_to_vector([])
