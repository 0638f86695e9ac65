"""What the demos share besides pydl: options from a dataclass, and an end in good order.

The idea of a dataclass whose comments are the --help is CleanRL's.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import os
import re
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import pydl

C = TypeVar("C")


class UserError(Exception):
    """Something that the user can put right: one message, no traceback, exit code 2."""


def parse(
    config: type[C],
    description: str,
    arguments: Sequence[str] | None = None,
    presets: Callable[[C], Mapping[str, object]] | None = None,
) -> C:
    """Reads a command line into a dataclass: each field is an option, its comment the help.

    Args:
        config: A dataclass with defaults. Fields are bool, int, float, str, a tuple of these,
            one of all that or None, or a Literal, and have a comment on their line.
        description: What the program does.
        arguments: Those of the process unless given.
        presets: From what was given, to other defaults for what was not.
    """
    sources = [inspect.getsource(c) for c in config.__mro__[:-1]]
    comments = dict(re.findall(r"^    (\w+): .*?  # (.*)$", "\n".join(sources), re.M))
    types = get_type_hints(config)
    parser = argparse.ArgumentParser(description=description)
    for f in fields(config):  # type: ignore[arg-type]
        flag, kind, text = f.name.replace("_", "-"), types[f.name], comments[f.name]
        if kind is bool:
            both = argparse.BooleanOptionalAction
            parser.add_argument(f"--{flag}", action=both, default=f.default, help=text)
            continue
        text += "" if f.default is None else f" (default: {f.default})"
        if get_origin(kind) is Literal:
            choices = get_args(kind)
            parser.add_argument(
                f"--{flag}", type=type(choices[0]), choices=choices, default=f.default, help=text
            )
            continue
        value = kind if isinstance(kind, type) else get_args(kind)[0]  # float | None: float
        if get_origin(value) is not tuple:
            parser.add_argument(f"--{flag}", type=value, default=f.default, help=text)
            continue
        several = get_args(value)
        parser.add_argument(
            f"--{flag}", nargs=len(several), action=several_values(several), default=f.default,
            help=text,
        )  # fmt: skip
    if presets is not None:
        words = sys.argv[1:] if arguments is None else arguments
        given, _ = parser.parse_known_args([w for w in words if w not in ("-h", "--help")])
        for name, value in presets(config(**vars(given))).items():
            parser.set_defaults(**{name: value})
            option = next(a for a in parser._actions if a.dest == name)
            option.help = f"{comments[name]} (default: {value})"
    return config(**vars(parser.parse_args(arguments)))


def several_values(types: Sequence[Callable[[str], object]]) -> type[argparse.Action]:
    """What argparse does with an option that has a value of each of some types."""

    class SeveralValues(argparse.Action):
        def __call__(self, parser, namespace, values, option_string=None):  # type: ignore
            try:
                found = tuple(t(v) for t, v in zip(types, values, strict=True))
            except ValueError as e:
                raise argparse.ArgumentError(self, str(e)) from None
            setattr(namespace, self.dest, found)

    return SeveralValues


def require(*modules: str) -> None:
    """Refuses to begin a run that would fail at its end.

    Raises:
        UserError: a module is not installed.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f'needs {" and ".join(missing)}: pip install "pydl-nn[demos]"')


def at_least(config: object, least: Mapping[str, int]) -> None:
    """Refuses options that are too small.

    Raises:
        UserError: names the first one.
    """
    for name, low in least.items():
        if getattr(config, name) < low:
            raise UserError(f"--{name.replace('_', '-')} must be at least {low}")


def run_main(main: Callable[[C], int], config: C, name: str) -> int:
    """Calls `main`; what the user did or can put right ends in a message, not in a traceback.

    Args:
        main: Returns the exit code. It writes its files atomically, so that it may end anywhere.
        config: Its argument.
        name: Of the program.

    Returns:
        The exit code, 2 after an error. Ctrl-C and SIGTERM end the process with 130 and 143.
    """
    again = shlex.join(["python", *[a for a in sys.argv if a != "--resume"], "--resume"])
    end_on_signal(f"\n{name}: stopped. To go on from the last checkpoint: {again}\n")
    try:
        return main(config)
    except (UserError, pydl.FormatError, ImportError, OSError) as e:
        print(f"{name}: {e}", file=sys.stderr)
        return 2


def end_on_signal(farewell: str) -> None:
    """Lets Ctrl-C and SIGTERM end the process at once, whatever it is doing.

    Python's own handlers wait for the running call to end, and one call of the numpy device can
    take seconds. So a thread listens to a socket, to which the C handler writes at once.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())  # open as long as the process lives
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: None)

    def listen() -> None:
        number = reader.recv(1)[0]
        os.write(2, farewell.encode())
        os._exit(128 + number)

    threading.Thread(target=listen, name="stop", daemon=True).start()
