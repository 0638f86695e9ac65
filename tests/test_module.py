"""Module: what it finds in its attributes, its state, modes, moves and how it prints."""

import copy

import numpy as np
import pytest

import pydl
import pydl.nn as nn


class Net(nn.Module):
    """Something of everything: own parameters and buffers, children, a shared layer."""

    def __init__(self, device):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, device=device)
        self.scale = nn.Parameter(pydl.ones(2, device=device))
        self.register_buffer("seen", pydl.zeros(1, device=device))
        self.register_buffer("scratch", pydl.zeros(1, device=device), persistent=False)
        self.register_buffer("absent", None)
        self.norm = nn.BatchNorm2d(2, device=device)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(8, 3, device=device))
        self.tied = self.head[1]

    def forward(self, x):
        return self.head(self.norm(self.conv(x)))


KEYS = [
    "scale",
    "seen",
    "conv.weight",
    "conv.bias",
    "norm.weight",
    "norm.bias",
    "norm.running_mean",
    "norm.running_var",
    "norm.num_batches_tracked",
    "head.1.weight",
    "head.1.bias",
    "tied.weight",
    "tied.bias",
]


def test_state_dict_has_the_keys_of_torch(device):
    state = Net(device).state_dict()
    assert list(state) == KEYS
    assert state["norm.num_batches_tracked"].dtype is pydl.int64
    assert state["norm.num_batches_tracked"].shape == ()
    assert not state["conv.weight"].requires_grad
    assert next(iter(Net(device).state_dict("net."))) == "net.scale"


def test_names(device):
    net = Net(device)
    assert [name for name, _ in net.named_parameters()] == [
        "scale",
        "conv.weight",
        "conv.bias",
        "norm.weight",
        "norm.bias",
        "head.1.weight",
        "head.1.bias",
    ]
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert [name for name, _ in net.named_buffers()] == [
        "seen",
        "scratch",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
    ]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "conv",
        "norm",
        "head",
        "head.0",
        "head.1",
    ]
    assert [name for name, _ in net.named_children()] == ["conv", "norm", "head", "tied"]
    assert len(list(net.children())) == 4
    assert len(list(net.modules())) == 6
    assert len(list(net.parameters())) == 7
    assert len(list(net.buffers())) == 5


def test_shared_parameters_come_once(device):
    net = nn.Sequential(nn.Linear(2, 2, device=device), nn.Linear(2, 2, device=device))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_load_copies_into_the_same_memory(device):
    net, other = Net(device), Net(device)
    before = {name: p.data for name, p in net.named_parameters()}
    assert net.load_state_dict(other.state_dict()) == ([], [])
    for name, p in net.named_parameters():
        assert p.data is before[name]
        np.testing.assert_array_equal(p.numpy(), other.get_parameter(name).numpy())
    other.conv.weight.detach().zero_()
    assert net.conv.weight.numpy().any()


def test_load_converts_dtype_and_device(device):
    net = nn.Linear(2, 1, device=device)
    state = {
        "weight": pydl.tensor([[1, 2]], device="numpy"),
        "bias": pydl.tensor([0.5], dtype=pydl.float16, device="numpy"),
    }
    net.load_state_dict(state)
    assert net.weight.dtype is pydl.float32
    assert net.weight.numpy().tolist() == [[1.0, 2.0]]
    assert net.bias.numpy().tolist() == [0.5]


def test_load_names_everything_that_does_not_fit(device):
    net = nn.Sequential(nn.Linear(2, 3, device=device), nn.Linear(3, 1, device=device))
    state = net.state_dict()
    before = net[0].weight.numpy().copy()
    del state["1.bias"]
    state["0.weight"] = pydl.zeros(3, 5, device=device)
    state["1.weight"] = pydl.zeros(4, device=device)
    state["0.bias"] = pydl.zeros(3, device=device)
    state["2.gain"] = pydl.zeros(1, device=device)
    with pytest.raises(ValueError, match=r"^Sequential.load_state_dict") as error:
        net.load_state_dict(state)
    assert str(error.value).splitlines()[1:] == [
        "    missing: 1.bias",
        "    unexpected: 2.gain",
        "    0.weight has shape (3, 5) in the state, (3, 2) in the module",
        "    1.weight has shape (4,) in the state, (1, 3) in the module",
    ]
    with pytest.raises(ValueError, match=r"0\.weight has shape"):
        net.load_state_dict(state, strict=False)
    np.testing.assert_array_equal(net[0].weight.numpy(), before)
    assert net[0].bias.numpy().any(), "nothing may be loaded where something does not fit"
    del state["0.weight"], state["1.weight"]
    keys = net.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["0.weight", "1.weight", "1.bias"]
    assert keys.unexpected_keys == ["2.gain"]
    assert not net[0].bias.numpy().any()


def test_train_and_eval(device):
    net = Net(device)
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.norm.train()
    assert net.norm.training
    assert not net.conv.training


def test_apply_goes_children_first(device):
    order = []
    net = Net(device)
    assert net.apply(lambda module: order.append(type(module).__name__)) is net
    assert order[-2:] == ["Linear", "Net"]
    assert order[:2] == ["Conv2d", "BatchNorm2d"]


def test_to_keeps_the_parameter_objects():
    net = nn.Sequential(nn.Linear(2, 2, device="numpy"), nn.BatchNorm1d(2, device="numpy"))
    params = list(net.parameters())
    net(pydl.ones(3, 2, device="numpy")).sum().backward()
    assert net.to(pydl.float64) is net
    assert [p.dtype for p in net.parameters()] == [pydl.float64] * 4
    assert all(p is q for p, q in zip(net.parameters(), params, strict=True))
    assert params[0].grad.dtype is pydl.float64
    assert params[0].requires_grad
    assert params[0].is_leaf
    assert net[1].running_mean.dtype is pydl.float64
    assert net[1].num_batches_tracked.dtype is pydl.int64
    with pytest.raises(TypeError, match="expected a floating dtype, got int64"):
        net.to(pydl.int64)


def test_to_another_device_and_on_with_training():
    net = nn.Linear(3, 1, device="numpy")
    optimizer = pydl.optim.Adam(net.parameters(), lr=0.1)
    before = net.weight.numpy().copy()
    for device in ("numpy", "cpu", "numpy"):
        net.to(device)
        assert net.weight.device.name == device
        np.testing.assert_array_equal(net.weight.numpy(), before)
        optimizer.zero_grad()
        net(pydl.ones(2, 3, device=device)).sum().backward()
        optimizer.step()
        before = net.weight.numpy().copy()
    assert optimizer.state[net.weight]["step"].item() == 3


def test_requires_grad_and_zero_grad(device):
    net = nn.Linear(2, 1, device=device)
    x = pydl.ones(1, 2, device=device)
    net(x).sum().backward()
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.numpy().tolist() == [[0.0, 0.0]]
    net.zero_grad()
    assert net.weight.grad is None
    assert not net.requires_grad_(False)(x).requires_grad


def test_parameter_shares_memory_and_is_checked(device):
    data = pydl.zeros(2, device=device)
    p = nn.Parameter(data)
    assert p.requires_grad
    data.fill_(3.0)
    assert p.numpy().tolist() == [3.0, 3.0]
    assert isinstance(p * 2, pydl.Tensor)
    assert repr(p).startswith("Parameter containing:\ntensor([3., 3.]")
    with pytest.raises(TypeError, match="expected a Tensor, got list"):
        nn.Parameter([1.0])
    with pytest.raises(TypeError, match="int64 has no gradient"):
        nn.Parameter(pydl.arange(3, device=device))


def test_deepcopy_has_its_own_weights(device):
    net = nn.Sequential(nn.Linear(2, 2, device=device), nn.Linear(2, 1, device=device))
    net[1].bias.requires_grad_(False)
    other = copy.deepcopy(net)
    np.testing.assert_array_equal(other[0].weight.numpy(), net[0].weight.numpy())
    nn.init.zeros_(net[0].weight)
    assert other[0].weight.numpy().any()
    assert other[0].weight.device is net[0].weight.device
    assert [p.requires_grad for p in other.parameters()] == [True, True, True, False]


def test_a_parameter_is_not_lost_by_assignment(device):
    net = nn.Linear(2, 1, device=device)
    with pytest.raises(TypeError, match="cannot assign a Tensor to the parameter 'weight'"):
        net.weight = pydl.zeros(1, 2, device=device)
    net.bias = None
    assert list(net.state_dict()) == ["weight"]


def test_names_are_checked():
    net = nn.Module()
    net.add_module("a", nn.Identity())
    for name, message in (
        ("a", "already has"),
        ("train", "already has"),
        ("b.c", "dot"),
        ("", "empty"),
    ):
        with pytest.raises(KeyError, match=message):
            net.add_module(name, nn.Identity())
        with pytest.raises(KeyError, match=message):
            net.register_buffer(name, None)
        with pytest.raises(KeyError, match=message):
            net.register_parameter(name, None)
    with pytest.raises(TypeError, match="'d' is a int, not a Module"):
        net.add_module("d", 3)


def test_get(device):
    net = Net(device)
    assert net.get_submodule("") is net
    assert net.get_submodule("head.1") is net.head[1]
    assert net.get_parameter("head.1.bias") is net.head[1].bias
    with pytest.raises(AttributeError, match=r"Sequential has no module '7' \('head.7'\)"):
        net.get_submodule("head.7")
    with pytest.raises(AttributeError, match="BatchNorm2d has no parameter 'running_mean'"):
        net.get_parameter("norm.running_mean")


def test_forward_must_be_defined():
    with pytest.raises(NotImplementedError, match=r"Module must define forward\(\)"):
        nn.Module()(1)


def test_repr(device):
    assert repr(Net(device)) == (
        "Net(\n"
        "  (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (norm): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, "
        "track_running_stats=True)\n"
        "  (head): Sequential(\n"
        "    (0): Flatten(start_dim=1, end_dim=-1)\n"
        "    (1): Linear(in_features=8, out_features=3, bias=True)\n"
        "  )\n"
        "  (tied): Linear(in_features=8, out_features=3, bias=True)\n"
        ")"
    )


def test_summary(device):
    net = Net(device)
    net.norm.eval()
    net.scale.requires_grad_(False)
    summary = net.summary((5, 1, 4, 4))
    assert [tuple(row) for row in summary.rows] == [
        ("conv", "Conv2d", (5, 2, 2, 2), 20, 5 * 2 * 2 * 2 * 9),
        ("norm", "BatchNorm2d", (5, 2, 2, 2), 4, 0),
        ("head.0", "Flatten", (5, 8), 0, 0),
        ("head.1", "Linear", (5, 3), 27, 5 * 3 * 8),
        ("", "Net", (5, 3), 2, 0),
    ]
    assert summary.total_parameters == 53
    assert summary.trainable_parameters == 51
    assert summary.total_macs == 480
    lines = str(summary).splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters", "MACs"]
    assert lines[2].split() == ["conv", "(Conv2d)", "(5,", "2,", "2,", "2)", "20", "360"]
    assert lines[-1] == "53 parameters (0.21 KiB), 2 of them frozen; 480 MACs"
    # Left as it was: modes, statistics, methods.
    assert net.training
    assert net.conv.training
    assert not net.norm.training
    assert net.norm.num_batches_tracked.item() == 0
    assert "forward" not in vars(net.conv)


def test_summary_restores_after_an_error(device):
    net = nn.Sequential(nn.Linear(2, 2, device=device))
    with pytest.raises(ValueError, match="linear"):
        net.summary((1, 3))
    assert net.training
    assert "forward" not in vars(net[0])


def test_sequential(device):
    a, b, c = (nn.Linear(2, 2, device=device) for _ in range(3))
    net = nn.Sequential(a, nn.ReLU(), b)
    assert len(net) == 3
    assert net[-1] is b
    assert [*net] == [a, net[1], b]
    assert list(net[1:].state_dict()) == ["2.weight", "2.bias"]
    net.insert(0, c)
    assert [*net] == [c, a, net[2], b]
    del net[2]
    assert net.append(nn.ReLU()).extend([c])[4] is c
    assert list(dict(net.named_modules())) == ["", "0", "1", "2", "3"]
    net[3] = nn.Tanh()
    assert isinstance(net[3], nn.Tanh)
    x = pydl.ones(1, 2, device=device)
    np.testing.assert_array_equal(net[:2](x).detach().numpy(), a(c(x)).detach().numpy())
    named = nn.Sequential({"first": a, "then": b})
    assert list(named.state_dict())[:2] == ["first.weight", "first.bias"]
    assert named.then is b
    assert named[0] is a
    assert named.eval()[:1].training is False


def test_module_list_and_dict(device):
    layers = nn.ModuleList(nn.Linear(1, 1, device=device) for _ in range(2))
    layers.append(nn.Identity()).insert(1, nn.ReLU())
    assert [type(m).__name__ for m in layers] == ["Linear", "ReLU", "Linear", "Identity"]
    assert list(layers.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert len(layers[1:3]) == 2
    with pytest.raises(NotImplementedError):
        layers(1)
    table = nn.ModuleDict({"up": nn.Linear(1, 1, device=device)})
    table["down"] = nn.ReLU()
    table["up"] = nn.Linear(1, 2, device=device)
    assert list(table) == table.keys() == ["down", "up"]
    assert "up" in table
    assert len(table) == len(table.values()) == len(table.items()) == 2
    assert table["up"].out_features == 2
    del table["down"]
    assert list(table.state_dict()) == ["up.weight", "up.bias"]
    with pytest.raises(KeyError, match="down"):
        del table["down"]
