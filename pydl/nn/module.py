"""Module: a part of a network, and Parameter: a tensor that it learns.

There is no registry: the parameters, buffers and children of a module are its attributes, in the
order in which they were set. Names, state_dict keys and `repr` are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..device import Device
from ..dtypes import DType, bfloat16, float16, float32, float64
from ..op import no_grad
from ..recording import thread
from ..tensor import Tensor

__all__ = ["Module", "Parameter"]

if TYPE_CHECKING:
    from .summary import Summary

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a module learns.

    Args:
        data: Its values, whose memory it shares.
        requires_grad: Whether it is learned.

    Raises:
        TypeError: `data` is no tensor of a floating dtype.
    """

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter: expected a Tensor, got {type(data).__name__}")
        super().__init__(data.data, data.device)
        self.version = data.version
        self.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        memo[id(self)] = copied = Parameter(self.detach().clone(), self.requires_grad)
        return copied

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Keys(NamedTuple):
    """What did not match in `load_state_dict(strict=False)`."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of all layers and networks: define `forward`, and set layers as attributes.

    Attributes:
        training: whether it trains (dropout drops, batch norm uses the batch) or evaluates.
    """

    training: bool = True
    _buffers: Mapping[str, bool] = MappingProxyType({})  # name -> whether it is persistent

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output: every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Does `forward`."""
        if thread.recording is not None:
            thread.recording.modules[id(self)] = self
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        old = vars(self).get(name)
        if isinstance(old, Parameter) and not isinstance(value, Parameter) and value is not None:
            raise TypeError(
                f"{type(self).__name__}: cannot assign a {type(value).__name__} to the parameter "
                f"{name!r}; wrap it in nn.Parameter, or use copy_ to change the values"
            )
        super().__setattr__(name, value)

    # ---- what it is made of

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Sets a tensor as an attribute that is state, but not learned.

        Args:
            name: The attribute.
            tensor: Its value; None for one that is not there (yet).
            persistent: Whether it is part of `state_dict()`.

        Raises:
            KeyError: the name is empty, contains a dot, or is taken.
        """
        self._check_name("register_buffer", name)
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Sets a parameter as an attribute.

        Raises:
            KeyError: the name is empty, contains a dot, or is taken.
        """
        self._check_name("register_parameter", name)
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """Sets a child as an attribute, whose name may be a number.

        Raises:
            KeyError: the name is empty, contains a dot, or is taken.
            TypeError: `module` is no Module.
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: {name!r} is a {type(module).__name__}, not a Module")
        self._check_name("add_module", name)
        setattr(self, name, module)

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name, such as "features.0"; itself for "".

        Raises:
            AttributeError: there is none.
        """
        found: Module = self
        for name in filter(None, target.split(".")):
            child = vars(found).get(name)
            if not isinstance(child, Module):
                raise AttributeError(
                    f"get_submodule: {type(found).__name__} has no module {name!r} ({target!r})"
                )
            found = child
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name, such as "features.0.weight".

        Raises:
            AttributeError: there is none.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        found = vars(module).get(name)
        if not isinstance(found, Parameter):
            raise AttributeError(
                f"get_parameter: {type(module).__name__} has no parameter {name!r} ({target!r})"
            )
        return found

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Name and module of each direct child, every one once."""
        seen: set[int] = set()
        for name, child in _modules(self):
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Each direct child, every one once."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Dotted name and module of itself and all below, every one once, parents first."""
        return _walk(self, prefix, set())

    def modules(self) -> Iterator[Module]:
        """Itself and all modules below, every one once, parents first."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Dotted name and parameter, a shared one once (under its first name).

        Args:
            prefix: Goes before each name.
            recurse: Those of all modules below, too.
        """
        return _once(self, prefix, recurse, _parameters)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once: what an optimizer is given."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Dotted name and buffer, a shared one once.

        Args:
            prefix: Goes before each name.
            recurse: Those of all modules below, too.
        """
        return _once(self, prefix, recurse, _existing_buffers)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Each buffer once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    # ---- modes

    def train(self: M, mode: bool = True) -> M:
        """Sets training mode here and below; `train(False)` is `eval()`."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Sets evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Says of every parameter whether it is learned; False freezes the module."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of all parameters, or puts zeros in their place."""
        for p in self.parameters():
            p.zero_grad(set_to_none)

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Calls `fn` with every module, children first: a way to initialise weights."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self: M, target: str | Device | DType) -> M:
        """Moves to a device, or casts what is floating, in place.

        The parameters stay the same objects, so that an optimizer keeps them.

        Args:
            target: A device, its name, or a floating dtype.

        Raises:
            TypeError: a dtype that is not floating, or that the device does not have.
        """
        if isinstance(target, DType) and not target.is_floating:
            raise TypeError(f"Module.to: expected a floating dtype, got {target.name}")
        with no_grad():
            for t in [*self.parameters(), *self.buffers()]:
                if not isinstance(target, DType) or t.dtype.is_floating:
                    _replace(t, t.to(target))
                    t.grad = None if t.grad is None else t.grad.to(target)
        return self

    def float(self: M) -> M:
        """Casts what is floating to float32."""
        return self.to(float32)

    def double(self: M) -> M:
        """Casts what is floating to float64 (numpy device only)."""
        return self.to(float64)

    def half(self: M) -> M:
        """Casts what is floating to float16."""
        return self.to(float16)

    def bfloat16(self: M) -> M:
        """Casts what is floating to bfloat16."""
        return self.to(bfloat16)

    # ---- state

    def state_dict(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name, with PyTorch's keys.

        The tensors share memory with the module; a shared parameter has all its names.

        Args:
            prefix: Goes before each name.
        """
        state = {prefix + name: p.detach() for name, p in _parameters(self)}
        for name, buffer in _existing_buffers(self):
            if self._buffers[name]:
                state[prefix + name] = buffer.detach()
        for name, child in _modules(self):
            state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True) -> Keys:
        """Copies values into the parameters and buffers, in place.

        Nothing is changed unless everything fits; dtypes and devices are converted.

        Args:
            state_dict: Tensors by dotted name.
            strict: Refuse names that are missing or unexpected.

        Returns:
            The names that are missing or unexpected.

        Raises:
            ValueError: all that does not fit: missing and unexpected names (where strict), and
                tensors of another shape.
        """
        own = self.state_dict()
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems = []
        if strict and missing:
            problems.append(f"missing: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected: {', '.join(unexpected)}")
        for name, t in own.items():
            if name in state_dict and state_dict[name].shape != t.shape:
                problems.append(
                    f"{name} has shape {state_dict[name].shape} in the state, "
                    f"{t.shape} in the module"
                )
        if problems:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict:\n    " + "\n    ".join(problems)
            )
        with no_grad():
            for name, t in own.items():
                if name in state_dict:
                    t.copy_(state_dict[name].detach())
        return Keys(missing, unexpected)

    # ---- what it looks like

    def extra_repr(self) -> str:
        """What stands between the parentheses of `repr`."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in _modules(self)
        ]
        head, extra = type(self).__name__, self.extra_repr()
        if not lines:
            return f"{head}({extra})"
        body = "\n  ".join([*extra.splitlines(), *lines])
        return f"{head}(\n  {body}\n)"

    def summary(self, *input_shapes: tuple[int, ...]) -> Summary:
        """The layers with their output shapes and sizes, found by a run with zeros.

        Args:
            input_shapes: The shape of each input, batch dimension included, such as
                (1, 1, 28, 28).

        Returns:
            A table: print it, or read its rows and totals.
        """
        from .summary import summarize

        return summarize(self, input_shapes)

    def _check_name(self, caller: str, name: str) -> None:
        if not name or "." in name:
            raise KeyError(f"{caller}: a name must not be empty or contain a dot, got {name!r}")
        if hasattr(self, name):
            raise KeyError(f"{caller}: {type(self).__name__} already has an attribute {name!r}")


T = TypeVar("T")


def _parameters(module: Module) -> Iterator[tuple[str, Parameter]]:
    return ((k, v) for k, v in vars(module).items() if isinstance(v, Parameter))


def _existing_buffers(module: Module) -> Iterator[tuple[str, Tensor]]:
    for name in module._buffers:
        tensor = vars(module).get(name)
        if tensor is not None:
            yield name, tensor


def _modules(module: Module) -> Iterator[tuple[str, Module]]:
    """The direct children, one that has two names twice."""
    return ((k, v) for k, v in list(vars(module).items()) if isinstance(v, Module))


def _walk(module: Module, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    yield prefix, module
    for name, child in _modules(module):
        yield from _walk(child, f"{prefix}.{name}" if prefix else name, seen)


def _once(
    module: Module,
    prefix: str,
    recurse: bool,
    members: Callable[[Module], Iterator[tuple[str, T]]],
) -> Iterator[tuple[str, T]]:
    """The members of a module (and of all below), an object that has two names once."""
    seen: set[int] = set()
    for path, owner in module.named_modules(prefix) if recurse else [(prefix, module)]:
        for name, member in members(owner):
            if id(member) not in seen:
                seen.add(id(member))
                yield f"{path}.{name}" if path else name, member


def _replace(t: Tensor, new: Tensor) -> None:
    """Gives `t` the memory of `new`, on its device and of its dtype."""
    if new is not t:
        t.become(new)
