"""One op = one place, and nothing forgotten: ops, kernels, oracle and cases fit each other.

No list is kept by hand: what the cases reach is observed while they run.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from cases.elementwise import BINARY, UNARY
from opcase import HALVES, NATIVE, output_gradient, run
from opcases import CASES, DTYPES, ERRORS, KERNELS
from test_stub import kernel_signatures

import pydl
from pydl import Tensor, _native, ops, random
from pydl.autograd import grad
from pydl.backends import numpy as oracle
from pydl.op import Op
from pydl.ops.comparison import Comparison
from pydl.ops.elementwise import Activation, Binary, PiecewiseLinear, Unary
from pydl.ops.extreme import Extreme
from pydl.ops.logic import Bitwise
from pydl.ops.scan import Scan

ABSTRACT = {
    *(Unary, Activation, PiecewiseLinear, Binary, Bitwise, Comparison),
    *(Extreme, Scan),
}


def subclasses(cls: type[Op]) -> Iterator[type[Op]]:
    for sub in cls.__subclasses__():
        if sub.__module__.startswith("pydl.") and sub.__module__ != "pydl.anomaly":
            yield sub
            yield from subclasses(sub)


class Spy:
    """A kernel module that notes what is called."""

    def __init__(self, module: Any, called: set[str]) -> None:
        self._module, self._called = module, called

    def __getattr__(self, name: str) -> Any:
        self._called.add(name)
        return getattr(self._module, name)


@dataclass
class Reached:
    """What running every case has touched."""

    forward: set[type[Op]] = field(default_factory=set)
    backward: set[type[Op]] = field(default_factory=set)
    kernels: dict[str, set[str]] = field(default_factory=lambda: {"cpu": set(), "numpy": set()})


@pytest.fixture(scope="module")
def reached() -> Iterator[Reached]:
    seen = Reached()
    with pytest.MonkeyPatch.context() as patch:
        for cls in {Op, *subclasses(Op)}:
            for name, where in (("forward", seen.forward), ("backward", seen.backward)):
                if name in cls.__dict__:
                    patch.setattr(cls, name, noting(cls.__dict__[name], where))
        for name, called in seen.kernels.items():
            device = pydl.device(name)
            patch.setattr(device, "kernels", Spy(device.kernels, called))
            for case in CASES:
                if sum(a.size for a in case.arrays()) > 1000:
                    continue
                run(case, name)
                if case.differentiable and case.twice and case.small and name == "numpy":
                    twice(case)
            for kernel_case in KERNELS:
                kernel_case.run(name)
        yield seen


def noting(method: Any, where: set[type[Op]]) -> Any:
    def call(self: Op, *inputs: Any) -> Any:
        where.add(type(self))
        return method(self, *inputs)

    return call


def twice(case: Any) -> None:
    xs = case.tensors("numpy")
    wanted = [x for x in xs if x.requires_grad]
    y = case.fn(*xs)
    gy = output_gradient(case, y).requires_grad_()
    for g in grad(y, wanted, gy, create_graph=True, materialize_grads=True):
        if g.requires_grad:
            grad(g, [gy], pydl.ones_like(g), retain_graph=True, materialize_grads=True)


def test_every_op_has_a_case(reached: Reached) -> None:
    missing = set(subclasses(Op)) - ABSTRACT - reached.forward
    assert not missing, f"no OpCase reaches {sorted(c.__name__ for c in missing)}"


def test_every_backward_has_a_case(reached: Reached) -> None:
    concrete = {c for c in set(subclasses(Op)) - ABSTRACT if c.backward is not Op.backward}
    missing = concrete - reached.backward
    assert not missing, f"no OpCase differentiates {sorted(c.__name__ for c in missing)}"


@pytest.mark.parametrize("device", ["cpu", "numpy"])
def test_every_kernel_has_a_case(reached: Reached, device: str) -> None:
    missing = set(kernel_signatures()) - reached.kernels[device]
    assert not missing, f"no case calls {sorted(missing)}"


def test_every_native_kernel_is_in_the_oracle_and_the_other_way_round() -> None:
    wanted = kernel_signatures()
    mine = {
        name: list(inspect.signature(inspect.unwrap(fn)).parameters)
        for name, fn in vars(oracle).items()
        if inspect.isfunction(fn) and fn.__module__.split(".")[-1] not in ("precision", "windows")
    }
    assert mine == wanted
    elementwise = {f"{name}{end}" for name in _native.unary_ops() for end in ("", "_backward")}
    assert elementwise | set(_native.binary_ops()) <= set(wanted)


def test_every_elementwise_kernel_has_an_op() -> None:
    names = {cls.name for cls in set(subclasses(Op)) - ABSTRACT if issubclass(cls, Unary)}
    assert names == set(_native.unary_ops())
    names = {cls.name for cls in set(subclasses(Op)) - ABSTRACT if issubclass(cls, Binary)}
    assert names == set(_native.binary_ops())
    assert set(BINARY) == names
    assert len(UNARY) >= len(_native.unary_ops())


CONVERSIONS = {"tensor", "from_numpy", "from_dlpack"}  # from no tensor: see test_interop


def public() -> set[str]:
    found = set(inspect_all(ops)) - CONVERSIONS
    found |= {"dropout", "dropout1d", "dropout2d", *random.__all__}
    found -= {"manual_seed", "get_rng_state", "set_rng_state"}
    assert all(hasattr(ops, name) or hasattr(random, name) for name in found)
    return found


def inspect_all(package: Any) -> Iterator[str]:
    for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        yield from getattr(importlib.import_module(found.name), "__all__", ())


def test_every_public_function_has_a_case_and_every_case_a_function() -> None:
    names = {case.op for case in CASES}
    assert public() - names == set()
    assert {name for name in names - public() if not hasattr(Tensor, name)} == set()
    assert {refusal.op for refusal in ERRORS} <= public()


def test_every_public_function_has_a_refusal_and_a_dtype_rule() -> None:
    assert public() - {refusal.op for refusal in ERRORS} == set()
    assert set(DTYPES) == public()


RULED = sorted(op for op, rule in DTYPES.items() if rule is not None)


@pytest.mark.parametrize("op", RULED)
def test_element_types(op: str, device: str) -> None:
    """What the rule of an op names is computed, and has that type; the rest raises TypeError."""
    rule = DTYPES[op]
    assert rule is not None
    mine = [c for c in CASES if c.op == op and c.small and all(a.size for a in c.arrays())]
    case = max(mine, key=lambda c: c.differentiable)
    arrays = case.arrays()
    floating = [a.dtype.kind == "f" for a in arrays]
    for name in (*NATIVE, *HALVES):
        dtype = getattr(pydl, name)
        whole = not dtype.is_floating  # then 1 and up: integers are not divided by 0
        xs = [
            pydl.from_numpy(
                np.array(np.ceil(np.abs(a)).clip(1) if f and whole else a,
                         np.float32 if f else a.dtype, order="C"), device)
            for a, f in zip(arrays, floating, strict=True)
        ]  # fmt: skip
        xs = [
            x.to(dtype) if f or not any(floating) else x for x, f in zip(xs, floating, strict=True)
        ]
        if name in rule:
            assert case.fn(*xs).dtype.name == rule[name], name
        else:
            with pytest.raises(TypeError):
                case.fn(*xs)


def documentation(op: str) -> tuple[str, list[str]]:
    """The docstring of a public function, and its parameters."""
    fn = getattr(ops, op, None) or getattr(random, op)
    return inspect.getdoc(fn) or "", list(inspect.signature(fn).parameters)


@pytest.mark.parametrize("op", sorted(public()))
def test_every_public_function_is_documented(op: str) -> None:
    """Its parameters, what it returns, whether it can be differentiated, and where it is from."""
    doc, parameters = documentation(op)
    missing = [word for word in ("Returns:", "Derivative:", "Source:") if word not in doc]
    arguments = doc.partition("Args:")[2].partition("Returns:")[0]
    named = {
        name
        for line in re.findall(r"^ +([\w*, ]+):", arguments, re.M)
        for name in re.findall(r"\w+", line)
    }
    missing += [p for p in parameters if p not in named]
    assert not missing, doc


def test_the_documented_derivatives_are_true() -> None:
    """Where a docstring says twice, a case checks it; where it says once, all cases refuse."""
    for op in sorted(public()):
        stated = documentation(op)[0].partition("Derivative:")[2].strip()
        mine = [c for c in CASES if c.op == op and c.differentiable]
        if stated.startswith("none"):
            assert not mine, op
        elif stated.startswith("once"):
            assert mine, op
            assert not any(c.twice for c in mine), op
        else:
            assert stated.startswith("twice"), op
            assert any(c.twice and c.small for c in mine), op
