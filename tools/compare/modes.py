"""Programs of nested grad modes: as context managers, as decorators, as plain calls."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .engine import Judge, Library, Outcome, Verdict, add, brief, pydl, torch
from .values import Call, Draw

MODES = ("no_grad", "enable_grad", "set_grad_enabled", "is_grad_enabled")
Step = tuple[str, str, bool]  # the form, the name of the mode, and what is set


def draw_step(d: Draw, name: str) -> Step:
    """One use of a mode."""
    mode = d.pick(*MODES[:3]) if name == "is_grad_enabled" else name
    forms = ["with", "decorator", "twice", "raise"]
    forms.append("call" if mode == "set_grad_enabled" else "bare")
    return d.pick(*forms), mode, d.chance(0.5)


def walk(library: Library, steps: list[Step], seen: list[Any]) -> None:
    """Run the steps, one inside the other, and note the mode before, within and after each."""
    look(library, seen)
    if not steps:
        return
    (form, name, enabled), rest = steps[0], steps[1:]
    inner = functools.partial(walk, library, rest, seen)
    mode = library.find(name)
    make = functools.partial(mode, enabled) if name == "set_grad_enabled" else mode
    FORMS[form](make, inner)
    look(library, seen)


def look(library: Library, seen: list[Any]) -> None:
    """What the mode says and what it does."""
    x = library.root.ones(2).requires_grad_()
    seen += [library.root.is_grad_enabled(), (x * x).requires_grad]


def with_block(make: Any, inner: Callable[[], None]) -> None:
    """As a context manager."""
    with make():
        inner()


def with_error(make: Any, inner: Callable[[], None]) -> None:
    """Left by an exception."""
    try:
        with make():
            inner()
            raise KeyError
    except KeyError:
        pass


def decorated(make: Any, inner: Callable[[], None]) -> None:
    """As a decorator."""
    make()(lambda: inner())()


def decorated_twice(make: Any, inner: Callable[[], None]) -> None:
    """Called two times."""
    function = make()(lambda: inner())
    function()
    function()


def called(make: Any, inner: Callable[[], None]) -> None:
    """As a plain call, which holds from there on."""
    make()
    inner()


FORMS: dict[str, Callable[[Any, Callable[[], None]], None]] = {
    "with": with_block,
    "raise": with_error,
    "decorator": decorated,
    "twice": decorated_twice,
    "bare": lambda make, inner: make(lambda: inner())(),
    "call": called,
}


def check_modes(d: Draw, name: str, device: str) -> Verdict:
    """Up to three modes inside each other."""
    steps = [draw_step(d, name if i == 0 else "is_grad_enabled") for i in range(d.integer(1, 3))]
    judge, outcomes = Judge(name, Call((steps,)), None), []
    for library in (Library(torch, "cpu", False), Library(pydl, device, False)):
        outcome = Outcome()
        try:
            walk(library, steps, outcome.outputs)
        except Exception as error:
            outcome.error = brief(error)
        finally:
            library.root.set_grad_enabled(True)
        outcomes.append(outcome)
    found = judge.outcomes(*outcomes)
    return ("different" if found else "equal"), found


add(check_modes, *MODES)
