"""Hostile arguments: wrong ranks, dtypes, sizes and kinds, for every kernel and public function.

Each set starts from a call that an op case makes, and has one to three of its arguments spoilt.
It must raise a Python exception, or be legal by chance; 1,000 sets of every function do raise.
Nothing may crash, hang, or write beside an output. tools/sanitize.sh runs this file under
AddressSanitizer and UndefinedBehaviorSanitizer.
"""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import signal
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from native_samples import Maker, kernel_calls
from opcase import run
from opcases import CASES
from test_registry import public
from test_stub import kernel_signatures

import pydl
from pydl import Tensor, ops, random
from pydl import _native as n

SETS = 1000
TRIES = 30  # a set that raises is found among so many, or the function refuses too little
REFUSED = (TypeError, ValueError, IndexError, ArithmeticError, MemoryError, RuntimeError)

INTEGERS = (-(2**63), -(2**62), -(2**31), -7, -1, 0, 2**40, 2**62, 2**63 - 1, 2**64)
FLOATS = (0.0, -1.0, 0.5, 1e300, float("nan"), float("inf"), -float("inf"), 2**62)
THINGS = (None, "x", 1.5, [], (1, 2), object(), b"ab", {}, ..., slice(None), True, 3)
DTYPES = ("float32", "int64", "int32", "uint8", "bool", "float16")


def pick(rng: np.random.Generator, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def shape_beside(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Another shape: a length changed, a dimension more, one less, or anything."""
    sizes = list(shape)
    how = rng.integers(5)
    if how == 0 and sizes:
        sizes[rng.integers(len(sizes))] = int(rng.integers(0, 10))
    elif how == 1 and len(sizes) < 8:
        sizes.insert(int(rng.integers(len(sizes) + 1)), int(rng.integers(0, 4)))
    elif how == 2 and sizes:
        del sizes[rng.integers(len(sizes))]
    elif how == 3:
        sizes = rng.integers(0, 5, rng.integers(0, 8)).tolist()
    return tuple(sizes)


def values(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return rng.integers(0 if dtype in ("uint8", "bool") else -3, 9, shape).astype(dtype)


def spoilt(value: Any, rng: np.random.Generator, array: Callable[[Any], Any]) -> Any:
    """Something that may stand where `value` stood; `array` makes arrays of ndarrays."""
    if rng.random() < 0.15:
        return pick(rng, THINGS)
    if isinstance(value, (n.Array, Tensor, np.ndarray)):
        if isinstance(value, n.Array) and rng.random() < 0.05:  # no elements, and yet enormous
            return n.empty((0, 2 ** int(rng.integers(8, 40))), 0)
        dtype = pick(rng, DTYPES)
        shape = tuple(value.shape)
        if rng.random() < 0.5:
            return array(values(rng, shape, dtype))
        same = value.numpy().dtype.name if not isinstance(value, np.ndarray) else dtype
        return array(values(rng, shape_beside(rng, shape), same if same in DTYPES else dtype))
    if isinstance(value, (list, tuple)) and len(value) > 0:
        changed = list(value)
        how = rng.integers(4)
        at = int(rng.integers(len(changed)))
        if how == 0:
            del changed[at]
        elif how == 1:
            changed.append(changed[at])
        else:
            changed[at] = spoilt(changed[at], rng, array)
        return type(value)(changed) if type(value) in (list, tuple) else changed
    if isinstance(value, str):
        return pick(rng, ("bogus", "", "mean ", "\0", *THINGS))
    if isinstance(value, float):
        return pick(rng, FLOATS)
    return pick(rng, INTEGERS)


@contextmanager
def in_time(seconds: int, what: Callable[[], str]) -> Iterator[None]:
    """Fail, rather than hang (where there are alarms)."""
    if sys.platform == "win32":
        yield
        return

    def late(*_: Any) -> None:
        raise AssertionError(f"more than {seconds} s: {what()}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """What would take more than 256 MiB raises MemoryError, as it should; nothing is killed.

    AddressSanitizer needs its terabytes of address space: tools/sanitize.sh gives it its own limit.
    """
    if not sys.platform.startswith("linux") or "libasan" in os.environ.get("LD_PRELOAD", ""):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def spoil(
    arguments: dict[str, Any], rng: np.random.Generator, array: Callable[[Any], Any]
) -> dict[str, Any]:
    """One to three arguments exchanged."""
    changed = dict(arguments)
    names = list(arguments)
    for at in rng.permutation(len(names))[: rng.integers(1, 4)]:
        changed[names[at]] = spoilt(arguments[names[at]], rng, array)
    return changed


@pytest.mark.parametrize("name", sorted(kernel_signatures()))
def test_kernel(name: str) -> None:
    calls, kernel = kernel_calls()[name], getattr(n, name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    refused = 0
    with in_time(120, lambda: name):
        for _ in range(SETS * TRIES):
            maker = Maker(1 << 16)
            call = pick(rng, calls)
            args = spoil(call.made(maker), rng, maker.place)
            try:
                kernel(**args)
            except REFUSED as e:
                assert str(e)  # noqa: PT017
                refused += 1
            assert maker.guards_intact(), args
            if refused == SETS:
                return
    pytest.fail(f"{name}: of {SETS * TRIES} sets {refused} were refused")


@functools.cache
def public_calls() -> dict[str, list[dict[str, Any]]]:
    """Arguments by parameter of some small calls of every public function, seen as they come."""
    functions = {name: getattr(ops, name, None) or getattr(random, name) for name in public()}
    codes = {name: inspect.unwrap(fn).__code__ for name, fn in functions.items()}
    seen: dict[Any, list[dict[str, Any]]] = {code: [] for code in codes.values()}

    def watch(frame: Any, event: str, _: Any) -> None:
        calls = seen.get(frame.f_code)
        if event == "call" and calls is not None and len(calls) < 8:
            calls.append(dict(frame.f_locals))

    for case in CASES:
        if sum(a.size for a in case.arrays()) > 300:
            continue
        sys.setprofile(watch)
        try:
            run(case, "cpu")
        finally:
            sys.setprofile(None)
    return {name: seen[code] for name, code in codes.items()}


def test_every_public_function_was_seen() -> None:
    assert [name for name, calls in public_calls().items() if not calls] == []


def detached(value: Any) -> Any:
    """A tensor with memory of its own, as a call may change it."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(detached(v) for v in value)
    return value


def applied(function: Callable[..., Any], args: dict[str, Any]) -> Any:
    """The call, with parameters like *shape spread out."""
    spread: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            value = args.pop(name)
            before = [args.pop(key) for key in list(args) if key in _before(function, name)]
            spread = before + (list(value) if isinstance(value, (list, tuple)) else [value])
    return function(*spread, **args)


def _before(function: Callable[..., Any], name: str) -> list[str]:
    names = list(inspect.signature(function).parameters)
    return names[: names.index(name)]


@pytest.mark.parametrize("name", sorted(public()))
def test_public_function(name: str) -> None:
    calls = public_calls()[name]
    function = getattr(ops, name, None) or getattr(random, name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    refused = 0
    args: dict[str, Any] = {}
    with in_time(300, lambda: f"{name}: {args}"):
        for _ in range(SETS * TRIES):
            call = {key: detached(value) for key, value in pick(rng, calls).items()}
            args = spoil(call, rng, pydl.from_numpy)
            try:
                applied(function, args)
            except (*REFUSED, AttributeError) as e:  # AttributeError: it is no tensor
                assert str(e)  # noqa: PT017
                refused += 1
            if refused == SETS:
                return
    pytest.fail(f"{name}: of {SETS * TRIES} sets {refused} were refused")


NO_TENSORS = (None, "x", [1.0, 2.0], (1, 2), np.ones((2, 3), np.float32))


def tensor_arguments(name: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(argument, annotation, a call) for every argument in whose place a tensor was seen."""
    function = getattr(ops, name, None) or getattr(random, name)
    for argument, parameter in inspect.signature(function).parameters.items():
        for call in public_calls()[name]:
            if isinstance(call[argument], Tensor):
                yield argument, parameter.annotation, call
                break


@pytest.mark.parametrize("name", sorted(public() - {"as_tensor"}))  # that one takes anything
def test_what_is_no_tensor_is_refused_by_name(name: str) -> None:
    function = getattr(pydl, name, None) or getattr(pydl.nn.functional, name)
    for argument, annotation, call in tensor_arguments(name):
        for thing in NO_TENSORS:
            if thing is None and ("None" in annotation or name == "where"):
                continue
            args = {**{key: detached(value) for key, value in call.items()}, argument: thing}
            is_what = "" if annotation == "Any" else rf"{argument} is (None|a \w+), expected a "
            with pytest.raises(TypeError, match=rf"^{function.__name__}: {is_what}"):
                applied(function, args)


def test_a_guarded_function_is_the_same_everywhere() -> None:
    assert pydl.softmax is pydl.nn.functional.softmax
    assert inspect.signature(pydl.softmax) == inspect.signature(ops.softmax)
    for function in (pydl.softmax, pydl.nn.functional.dropout):
        assert pickle.loads(pickle.dumps(function)) is function
    with pytest.raises(TypeError, match=r"^stack: tensors\[1\] is a list, expected a Tensor$"):
        pydl.stack([pydl.ones(2), [1.0, 2.0]])
    with pytest.raises(TypeError, match=r"^matmul: b is None, expected a Tensor$"):
        pydl.ones(2).matmul(None)
    with pytest.raises(TypeError, match=r"^relu\(\) got an unexpected keyword argument 'slope'"):
        pydl.nn.functional.relu(None, slope=1)
