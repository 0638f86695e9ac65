"""Schedules against the values of torch.optim.lr_scheduler 2.13, recorded here."""

import json
import math

import pytest

import pydl
from pydl import optim
from pydl.optim import lr_scheduler as schedules


def sgd(lr=0.1, groups=1, **options):
    params = [pydl.ones(1, device="numpy", requires_grad=True) for _ in range(groups)]
    return optim.SGD([{"params": [p]} for p in params], lr=lr, **options)


def lrs_of(optimizer, scheduler, n, metrics=None):
    """The learning rate before each of n steps."""
    seen = []
    for i in range(n):
        if i:
            optimizer.step()
            scheduler.step(*([] if metrics is None else [metrics[i - 1]]))
        assert scheduler.get_last_lr() == [g["lr"] for g in optimizer.param_groups]
        seen.append(optimizer.param_groups[0]["lr"])
    return seen


RECORDED = {
    "step": (
        lambda o: schedules.StepLR(o, 3, 0.5),
        [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025],
    ),
    "multi_step": (
        lambda o: schedules.MultiStepLR(o, [5, 2], 0.1),
        [0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001, 0.001],
    ),
    "exponential": (
        lambda o: schedules.ExponentialLR(o, 0.9),
        [0.1, 0.09, 0.081, 0.0729, 0.06561],
    ),
    "lambda": (lambda o: schedules.LambdaLR(o, lambda i: 1 / (1 + i)), [0.1, 0.05, 0.1 / 3]),
    "cosine": (  # beyond T_max it rises again
        lambda o: schedules.CosineAnnealingLR(o, 5, 0.01),
        [0.1, 0.09140576475, 0.06890576475, 0.04109423525, 0.01859423525, 0.01, 0.01859423525]
        + [0.04109423525, 0.06890576475, 0.09140576475, 0.1, 0.09140576475, 0.06890576475],
    ),
    "multiplicative": (lambda o: schedules.MultiplicativeLR(o, lambda i: 1 / i), [0.1, 0.1, 0.05]),
    "constant": (lambda o: schedules.ConstantLR(o, 0.5, 2), [0.05, 0.05, 0.1, 0.1]),
    "linear": (lambda o: schedules.LinearLR(o, 0.5, 1.0, 4), [0.05, 0.0625, 0.075, 0.0875, 0.1]),
    "polynomial": (lambda o: schedules.PolynomialLR(o, 4, 2.0), [0.1, 0.05625, 0.025, 0.00625, 0]),
    "restarts": (
        lambda o: schedules.CosineAnnealingWarmRestarts(o, 2, 2),
        [0.1, 0.05, 0.1, 0.08535533906, 0.05, 0.01464466094, 0.1, 0.09619397663],
    ),
    "triangles": (
        lambda o: schedules.CyclicLR(o, 0.01, 0.03, 2, 1, "triangular2", cycle_momentum=False),
        [0.01, 0.02, 0.03, 0.01, 0.015, 0.02, 0.01],
    ),
    "falling_triangles": (
        lambda o: schedules.CyclicLR(
            o, 0.01, 0.03, 1, mode="exp_range", gamma=0.5, cycle_momentum=False
        ),
        [0.01, 0.02, 0.01, 0.0125, 0.01],
    ),
    "one_cycle_epochs": (
        lambda o: schedules.OneCycleLR(
            o,
            0.5,
            epochs=2,
            steps_per_epoch=4,
            cycle_momentum=False,
            pct_start=0.5,
            div_factor=10,
            final_div_factor=100,
        ),
        [0.05, 0.1625, 0.3875, 0.5, 0.4268499186, 0.25025, 0.0736500814, 0.0005],
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name):
    make, expected = RECORDED[name]
    optimizer = sgd()
    assert lrs_of(optimizer, make(optimizer), len(expected)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", RECORDED)
def test_state_dict_goes_on_through_json(name):
    make, expected = RECORDED[name]
    optimizer = sgd()
    scheduler = make(optimizer)
    for _ in range(2):
        scheduler.step()
    saved = json.loads(json.dumps(scheduler.state_dict()))
    again = sgd()
    resumed = make(again)
    resumed.load_state_dict(saved)
    for value in expected[3:]:
        resumed.step()
        assert again.param_groups[0]["lr"] == pytest.approx(value, rel=1e-9)


def test_one_cycle_moves_momentum_the_other_way():
    optimizer = sgd(momentum=0.9)
    scheduler = schedules.OneCycleLR(optimizer, 1.0, 10)
    momenta = []
    lrs = []
    for i in range(10):
        if i:
            scheduler.step()
        lrs.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert lrs == pytest.approx(
        [0.04, 0.52, 1, 0.950484632, 0.8117456539, 0.6112620219, 0.3887419781, 0.1882583461]
        + [0.04951936799, 4e-06]
    )
    assert momenta == pytest.approx(
        [0.95, 0.9, 0.85, 0.8549515566, 0.8688255099, 0.8888739533, 0.9111260467, 0.9311744901]
        + [0.9450484434, 0.95]
    )


def test_one_cycle_linear_in_three_phases_moves_beta1():
    p = pydl.ones(1, device="numpy", requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1)
    scheduler = schedules.OneCycleLR(
        optimizer, 1.0, 10, anneal_strategy="linear", three_phase=True, pct_start=0.4
    )
    lrs, betas = [], []
    for i in range(10):
        if i:
            scheduler.step()
        lrs.append(optimizer.param_groups[0]["lr"])
        betas.append(optimizer.param_groups[0]["betas"])
    expected = [0.04, 0.36, 0.68, 1, 0.68, 0.36, 0.04, 0.026668, 0.013336, 4e-06]
    assert lrs == pytest.approx(expected)
    assert [b[0] for b in betas] == pytest.approx(
        [0.95, 0.9166666667, 0.8833333333, 0.85, 0.8833333333, 0.9166666667] + [0.95] * 4
    )
    assert {b[1] for b in betas} == {0.999}
    scheduler.step()
    with pytest.raises(ValueError, match=r"OneCycleLR: step 11 of a schedule of 10"):
        scheduler.step()


METRICS = [1.0, 0.9, 0.9, 0.95, 0.9, 0.89995, 0.5, 0.6, 0.6, 0.6]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"factor": 0.5, "patience": 1},
            [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.025, 0.0125, 0.0125],
        ),
        (
            {
                "patience": 0,
                "cooldown": 2,
                "mode": "max",
                "threshold": 0.1,
                "threshold_mode": "abs",
                "min_lr": 0.002,
            },
            [0.1, 0.1, 0.01, 0.01, 0.01, 0.002, 0.002, 0.002, 0.002, 0.002, 0.002],
        ),
    ],
)
def test_reduce_on_plateau(options, expected):
    optimizer = sgd()
    scheduler = schedules.ReduceLROnPlateau(optimizer, **options)
    seen = lrs_of(optimizer, scheduler, len(expected), [*METRICS, 0.6])
    assert seen == pytest.approx(expected)


def test_reduce_on_plateau_takes_tensors_and_resumes():
    optimizer = sgd()
    scheduler = schedules.ReduceLROnPlateau(optimizer, patience=1)
    for value in (1.0, 2.0):
        scheduler.step(pydl.tensor(value, device="numpy"))
    again = sgd()
    resumed = schedules.ReduceLROnPlateau(again, patience=1)
    resumed.load_state_dict(json.loads(json.dumps(scheduler.state_dict())))
    resumed.step(math.nan)  # never an improvement
    assert again.param_groups[0]["lr"] == pytest.approx(0.01)
    with pytest.raises(TypeError, match="watched quantity"):
        resumed.step()


def test_groups_keep_their_own_rates():
    params = [pydl.ones(1, device="numpy", requires_grad=True) for _ in range(2)]
    optimizer = optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 0.5}], lr=0.1)
    scheduler = schedules.LambdaLR(optimizer, [lambda i: 0.5**i, lambda i: 1.0])
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.5]
    assert [g["initial_lr"] for g in optimizer.param_groups] == [0.1, 0.5]


def test_the_device_sees_a_new_rate_before_the_next_step(device):
    p = pydl.ones(1, device=device, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = pydl.ones(1, device=device)
    scheduler = schedules.StepLR(optimizer, 1, 0.25)
    optimizer.step()
    scheduler.step()
    (_, (bucket,)) = optimizer._buckets[0]
    assert p.device.to_numpy(bucket.lr).tolist() == [0.25]
    optimizer.step()
    assert p.numpy().tolist() == [-0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: schedules.StepLR(o, 0), "StepLR: step_size must be positive, got 0"),
        (lambda o: schedules.CosineAnnealingLR(o, 0), "T_max must be positive"),
        (lambda o: schedules.LambdaLR(o, [abs, abs]), "2 functions for 1 parameter groups"),
        (lambda o: schedules.OneCycleLR(o, 1.0), "give total_steps, or epochs"),
        (lambda o: schedules.OneCycleLR(o, 1.0, 0), "total_steps must be positive"),
        (
            lambda o: schedules.OneCycleLR(o, 1.0, 9, pct_start=1.5),
            r"pct_start must be in \[0, 1\]",
        ),
        (lambda o: schedules.OneCycleLR(o, 1.0, 9, anneal_strategy="log"), "anneal_strategy"),
        (lambda o: schedules.OneCycleLR(o, [1.0, 2.0], 9), "2 values for 1 parameter groups"),
        (lambda o: schedules.ReduceLROnPlateau(o, factor=1.0), "factor must be below 1"),
        (lambda o: schedules.ReduceLROnPlateau(o, mode="up"), "mode must be"),
        (lambda o: schedules.ReduceLROnPlateau(o, threshold_mode="x"), "threshold_mode must be"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make(sgd())


def test_cycle_momentum_needs_momentum():
    p = pydl.ones(1, device="numpy", requires_grad=True)
    with pytest.raises(ValueError, match="needs an optimizer with momentum or betas"):
        schedules.OneCycleLR(optim.Adagrad([p]), 1.0, 10)


def test_resuming_needs_initial_lr():
    with pytest.raises(KeyError, match="no 'initial_lr'"):
        schedules.ExponentialLR(sgd(), 0.9, last_epoch=3)


def test_schedules_chain():
    """As in torch: each multiplies what it finds."""
    optimizer = sgd()
    parts = [schedules.ConstantLR(optimizer, 0.5, 2), schedules.ExponentialLR(optimizer, 0.9)]
    chained = schedules.ChainedScheduler(parts)
    seen = lrs_of(optimizer, chained, 5)
    assert seen == pytest.approx([0.05, 0.045, 0.081, 0.0729, 0.06561], rel=1e-12)
    alone = sgd()
    schedule = schedules.StepLR(alone, 2, 0.5)
    schedule.step()
    alone.param_groups[0]["lr"] = 1.0  # by hand
    schedule.step()
    assert alone.param_groups[0]["lr"] == 0.5


def test_one_schedule_after_the_other():
    def make(optimizer):
        warm, fall = (
            schedules.LinearLR(optimizer, 0.5, 1.0, 2),
            schedules.ExponentialLR(optimizer, 0.9),
        )
        return schedules.SequentialLR(optimizer, [warm, fall], [3])

    optimizer = sgd()
    seen = lrs_of(optimizer, make(optimizer), 6)
    assert seen == pytest.approx([0.05, 0.075, 0.1, 0.1, 0.09, 0.081], rel=1e-12)
    optimizer = sgd()
    first = make(optimizer)
    for _ in range(4):
        first.step()
    state = json.loads(json.dumps(first.state_dict()))
    other = sgd()
    other.param_groups[0].update(lr=optimizer.param_groups[0]["lr"])
    again = make(other)
    again.load_state_dict(state)
    again.step()
    assert again.get_last_lr() == pytest.approx([0.081], rel=1e-12)


def test_cyclic_moves_momentum_the_other_way():
    optimizer = sgd(momentum=0.9)
    schedule = schedules.CyclicLR(optimizer, 0.01, 0.03, 2)
    seen = []
    for _ in range(4):
        seen.append(optimizer.param_groups[0]["momentum"])
        schedule.step()
    assert seen == pytest.approx([0.9, 0.85, 0.8, 0.85])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: schedules.ConstantLR(o, 1.5), "ConstantLR: factor must be in"),
        (lambda o: schedules.LinearLR(o, 0.0), "LinearLR: start_factor must be in"),
        (lambda o: schedules.LinearLR(o, 0.5, 2.0), "LinearLR: end_factor must be in"),
        (lambda o: schedules.CosineAnnealingWarmRestarts(o, 0), "T_0 is a positive integer, got 0"),
        (lambda o: schedules.CyclicLR(o, 0.1, 0.2, mode="square"), "CyclicLR: mode 'square'"),
        (lambda o: schedules.SequentialLR(o, [schedules.ExponentialLR(o, 0.9)], [3]),
         "SequentialLR: 1 schedules need 0 milestones, got 1"),
        (lambda o: schedules.ChainedScheduler([]), "expected at least one schedule"),
        (lambda o: schedules.ChainedScheduler(
            [schedules.ExponentialLR(o, 0.9), schedules.ExponentialLR(sgd(), 0.9)]),
         "schedule 1 is of another optimizer"),
        (lambda o: schedules.MultiplicativeLR(o, [abs, abs]), "2 functions for 1 parameter groups"),
    ],
)  # fmt: skip
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(sgd())
