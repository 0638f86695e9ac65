"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, overload

from .module import Module, _modules

__all__ = ["ModuleDict", "ModuleList", "Sequential"]

S = TypeVar("S", bound="_ModuleSequence")


class _ModuleSequence(Module):
    """What Sequential and ModuleList share: children in order, reached by position."""

    def __len__(self) -> int:
        return len(list(_modules(self)))

    def __iter__(self) -> Iterator[Any]:
        return (module for _, module in _modules(self))

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self: S, index: slice) -> S: ...

    def __getitem__(self, index: int | slice) -> Any:
        named = list(_modules(self))
        if not isinstance(index, slice):
            return named[index][1]
        part = type(self).__new__(type(self))
        part._set(named[index] if self._keeps_names else _number(m for _, m in named[index]))
        part.training = self.training
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, list(_modules(self))[index][0], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index]
        self._set(_number(modules))

    def append(self: S, module: Module) -> S:
        """Adds a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self: S, modules: Iterable[Module]) -> S:
        """Adds modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self: S, index: int, module: Module) -> S:
        """Adds a module before position `index`; all names become numbers."""
        modules = list(self)
        modules.insert(index, module)
        self._set(_number(modules))
        return self

    _keeps_names = False

    def _set(self, named: Iterable[tuple[str, Module]]) -> None:
        for name, _ in _modules(self):
            delattr(self, name)
        for name, module in named:
            self.add_module(name, module)


class Sequential(_ModuleSequence):
    """Modules applied one after the other.

    Args:
        modules: Modules, which get the names "0", "1", ...; or one dict of name to module. A
            slice is a Sequential of the same modules under the same names.
    """

    _keeps_names = True

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._set(modules[0].items())
        else:
            self._set(_number(modules))  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        """The output of the last module, each given that of the one before."""
        for module in self:
            x = module(x)
        return x


class ModuleList(_ModuleSequence):
    """A list of modules, for a `forward` that goes through it by itself.

    Args:
        modules: The modules.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._set(_number(modules))


class ModuleDict(Module):
    """Modules by name, for a `forward` that picks from them.

    Args:
        modules: Name to module. A name must not be that of one of Module's own attributes.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def __len__(self) -> int:
        return len(list(_modules(self)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __getitem__(self, name: str) -> Any:
        return dict(_modules(self))[name]

    def __setitem__(self, name: str, module: Module) -> None:
        if name in self:
            delattr(self, name)
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del dict(_modules(self))[name]  # a KeyError where there is none
        delattr(self, name)

    def keys(self) -> list[str]:
        """The names."""
        return [name for name, _ in _modules(self)]

    def values(self) -> list[Any]:
        """The modules."""
        return [module for _, module in _modules(self)]

    def items(self) -> list[tuple[str, Any]]:
        """The names with their modules."""
        return list(_modules(self))

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds modules, or replaces those of the same name."""
        for name, module in modules.items():
            self[name] = module


def _number(modules: Iterable[Module]) -> list[tuple[str, Module]]:
    return [(str(i), module) for i, module in enumerate(modules)]
