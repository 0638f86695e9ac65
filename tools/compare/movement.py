"""Calls of functions that move elements: shapes, joining, splitting, padding."""

from __future__ import annotations

import itertools
from typing import Any

from .elementwise import both
from .engine import op
from .values import STORED, Call, Draw, Dt, Shape

ANY = (*["float32"] * 4, *STORED)


def factors(d: Draw, n: int, wrong: float = 0.08) -> list[int]:
    """A shape of n elements, perhaps with -1 in it, perhaps wrong."""
    out: list[int] = []
    rest = n
    for _ in range(d.integer(0, 3)):
        divisors = [i for i in range(1, min(rest, 40) + 1) if rest % i == 0] or [1]
        out.append(int(d.pick(*divisors)))
        rest //= out[-1] if rest else 1
    out.append(rest)
    out = [out[i] for i in d.g.permutation(len(out))]
    if d.chance(0.35):
        out[d.integer(0, len(out) - 1)] = -1
    if d.chance(wrong):
        out[d.integer(0, len(out) - 1)] += d.pick(1, 2, -1)
    return out


@op("reshape", "Tensor.reshape", "Tensor.view")
def reshape(d: Draw, name: str) -> Call:
    """One shape; spread out in methods."""
    x = d.tensor(None, ANY)
    shape = factors(d, int(x.array.size))
    if name.startswith("Tensor") and d.chance(0.5):
        return Call((x, *shape))
    return Call((x, tuple(shape)))


@op(*both("flatten"))
def flatten(d: Draw, name: str) -> Call:
    """start_dim, end_dim."""
    x = d.tensor(None, ANY)
    n = len(x.shape)
    return Call((x,), d.options(0.6, start_dim=[d.dim(n)]) | d.options(0.5, end_dim=[d.dim(n)]))


@op(*both("unflatten"))
def unflatten(d: Draw, name: str) -> Call:
    """A dimension as several."""
    x = d.tensor(d.shape(1), ANY)
    dim = d.dim(len(x.shape))
    n = x.shape[dim] if -len(x.shape) <= dim < len(x.shape) else 1
    return Call((x, dim, tuple(factors(d, n))))


@op(*both("squeeze"))
def squeeze(d: Draw, name: str) -> Call:
    """All, one, or several dimensions."""
    x = d.tensor(None, ANY)
    dims = d.dims(len(x.shape))
    return (
        Call((x,)) if dims is None else Call((x, tuple(dims) if isinstance(dims, list) else dims))
    )


@op(*both("unsqueeze"))
def unsqueeze(d: Draw, name: str) -> Call:
    """One more place than there are dimensions."""
    x = d.tensor(None, ANY)
    return Call((x, d.dim(len(x.shape) + 1)))


def order(d: Draw, n: int) -> list[int]:
    """A permutation, some dimensions from the back; seldom no permutation."""
    dims = [int(i) - (n if d.chance(0.3) else 0) for i in d.g.permutation(n)]
    if dims and d.chance(0.06):
        dims[0] = d.pick(n, dims[-1], -n - 1)
    if dims and d.chance(0.03):
        dims = dims[1:]
    return dims


@op(*both("permute"))
def permute(d: Draw, name: str) -> Call:
    """Spread out in the method."""
    x = d.tensor(None, ANY)
    dims = order(d, len(x.shape))
    spread = name.startswith("Tensor") and dims and d.chance(0.6)
    return Call((x, *dims)) if spread else Call((x, tuple(dims)))


@op(*both("transpose", "swapaxes", "swapdims"))
def transpose(d: Draw, name: str) -> Call:
    """Two dimensions."""
    x = d.tensor(None, ANY)
    return Call((x, d.dim(len(x.shape)), d.dim(len(x.shape))))


@op(*both("t"))
def t(d: Draw, name: str) -> Call:
    """Up to two dimensions."""
    return Call((d.tensor(d.shape(0, 3), ANY),))


@op(*both("movedim", "moveaxis"))
def movedim(d: Draw, name: str) -> Call:
    """One or two dimensions."""
    x = d.tensor(None, ANY)
    n = len(x.shape)
    if n >= 2 and d.chance(0.4):
        return Call((x, (0, -1), (1, 0)))
    return Call((x, d.dim(n), d.dim(n)))


@op("Tensor.expand", "broadcast_to", "Tensor.broadcast_to")
def expand(d: Draw, name: str) -> Call:
    """Lengths of 1 and new leading ones; -1 keeps (expand)."""
    shape = d.shape(0, 3)
    x = d.tensor(tuple(1 if d.chance(0.4) else n for n in shape), ANY)
    out = list(shape)
    if name == "Tensor.expand":
        out = [-1 if d.chance(0.2) else n for n in out]
    if out and d.chance(0.06):
        out[0] += 2
    out = [d.size() for _ in range(d.pick(0, 0, 1, 2))] + out
    if name == "Tensor.expand" and out and d.chance(0.5):
        return Call((x, *out))
    return Call((x, tuple(out)))


@op("tile", "Tensor.tile", "Tensor.repeat")
def tile(d: Draw, name: str) -> Call:
    """Repeats, fewer or more than dimensions."""
    x = d.tensor(d.shape(0, 3), ANY)
    n = len(x.shape) + d.pick(0, 0, 0, 1, -1)
    times = [d.pick(1, 1, 2, 3, 0 if d.chance(0.3) else 2) for _ in range(max(n, 0))]
    if times and d.chance(0.04):
        times[0] = -1
    return Call((x, tuple(times)), k=8)


@op(*both("repeat_interleave"))
def repeat_interleave(d: Draw, name: str) -> Call:
    """A number of repeats."""
    x = d.tensor(d.shape(0, 3), ANY)
    return Call((x, d.integer(0, 3)), d.options(0.6, dim=[None, d.dim(len(x.shape))]), k=4)


@op(*both("roll"))
def roll(d: Draw, name: str) -> Call:
    """Shifts and dims: numbers or tuples; without dims the flattened tensor."""
    x = d.tensor(None, ANY)
    n = len(x.shape)
    if d.chance(0.3):
        return Call((x, d.integer(-9, 9)))
    k = d.integer(1, max(n, 1))
    shifts = tuple(d.integer(-9, 9) for _ in range(k))
    dims = tuple(d.dim(n) for _ in range(k if d.chance(0.95) else k + 1))
    return Call((x, shifts[0], dims[0])) if k == 1 else Call((x, shifts, dims))


@op(*both("flip"))
def flip(d: Draw, name: str) -> Call:
    """Dims as a tuple or list."""
    x = d.tensor(None, ANY)
    dims = d.dims(len(x.shape))
    dims = [0] if dims is None else [dims] if isinstance(dims, int) else dims
    if name.startswith("Tensor") and dims and d.chance(0.5):
        return Call((x, *dims))
    return Call((x, tuple(dims)))


@op(*both("fliplr", "flipud", "ravel"))
def fliplr(d: Draw, name: str) -> Call:
    """Two dimensions at least, or one; ravel takes any."""
    return Call((d.tensor(None, ANY),))


@op("cat", "concat", "concatenate", "stack")
def join(d: Draw, name: str) -> Call:
    """Several tensors, of different dtypes too; cat lets the length of dim differ."""
    shape = d.shape(0 if d.chance(0.15) else 1, 3)
    n = len(shape)
    dim = d.dim(n + (name == "stack"))
    dtypes = ANY if d.chance(0.3) else (d.pick(*ANY),)
    tensors = []
    for _ in range(d.pick(1, 2, 2, 3, 4, 0 if d.chance(0.1) else 2)):
        one = list(shape)
        if name != "stack" and n and -n <= dim < n:
            one[dim] = d.size()
        if one and d.chance(0.03):
            one[d.integer(0, n - 1)] += 1
        tensors.append(d.tensor((0,) if name != "stack" and d.chance(0.03) else tuple(one), dtypes))
    args: Any = tensors if d.chance(0.5) else tuple(tensors)
    return Call((args,), {"dim": dim}) if d.chance(0.8) else Call((args,))


@op("hstack", "vstack")
def hstack(d: Draw, name: str) -> Call:
    """Equal shapes."""
    shape = d.shape(0, 3)
    return Call(([d.tensor(shape, ANY) for _ in range(d.integer(1, 3))],))


@op(*both("split"))
def split(d: Draw, name: str) -> Call:
    """A size, or a list of sizes that add up."""
    x = d.tensor(d.shape(1, 3), ANY)
    dim = d.dim(len(x.shape))
    n = x.shape[dim] if -len(x.shape) <= dim < len(x.shape) else 3
    size: Any = d.integer(1, max(n, 1) + 1)
    if d.chance(0.5):
        cuts = sorted(d.integer(0, n) for _ in range(d.integer(0, 2)))
        ends = [0, *cuts, n]
        size = [b - a for a, b in itertools.pairwise(ends)]
        if d.chance(0.06):
            size[0] += 1
    elif d.chance(0.08):
        size = d.pick(0, -1)
    return Call((x, size, dim)) if d.chance(0.6) else Call((x, size), {"dim": dim})


@op(*both("chunk"))
def chunk(d: Draw, name: str) -> Call:
    """A number of pieces."""
    x = d.tensor(d.shape(0 if d.chance(0.1) else 1, 3), ANY)
    chunks = d.integer(1, 6) if d.chance(0.94) else d.pick(0, -1)
    return Call((x, chunks), d.options(0.7, dim=[d.dim(len(x.shape))]))


@op(*both("unbind"))
def unbind(d: Draw, name: str) -> Call:
    """Along dim."""
    x = d.tensor(d.shape(0 if d.chance(0.1) else 1, 3), ANY)
    return Call((x,), d.options(0.7, dim=[d.dim(len(x.shape))]))


@op(*both("narrow"))
def narrow(d: Draw, name: str) -> Call:
    """Start may be negative."""
    x = d.tensor(d.shape(0 if d.chance(0.1) else 1, 3), ANY)
    dim = d.dim(len(x.shape))
    n = x.shape[dim] if -len(x.shape) <= dim < len(x.shape) else 2
    start = d.integer(-n, n)
    length = d.integer(0, max(n - (start % n if n else 0), 0) + (1 if d.chance(0.1) else 0))
    return Call((x, dim, start, length))


@op(*both("select"))
def select(d: Draw, name: str) -> Call:
    """One place of a dimension."""
    x = d.tensor(d.shape(0 if d.chance(0.1) else 1, 3), ANY)
    dim = d.dim(len(x.shape))
    n = x.shape[dim] if -len(x.shape) <= dim < len(x.shape) else 2
    return Call((x, dim, d.integer(-n, max(n - 1, 0) + (1 if d.chance(0.1) else 0))))


@op(*both("tril", "triu"))
def triangle(d: Draw, name: str) -> Call:
    """Matrices and batches of them; diagonal of any sign."""
    x = d.tensor(d.shape(1 if d.chance(0.1) else 2, 4), ANY)
    return Call((x,), d.options(0.7, diagonal=[-20, -2, -1, 0, 1, 2, 3, 20]))


@op(*both("diag"))
def diag(d: Draw, name: str) -> Call:
    """A vector to a matrix and back."""
    x = d.tensor(d.shape(*d.pick((0, 3), (1, 2), (1, 2), (1, 2))), ANY)
    return Call((x,), d.options(0.7, diagonal=[-20, -2, -1, 0, 1, 2, 20]))


@op(*both("diagonal"))
def diagonal(d: Draw, name: str) -> Call:
    """offset, dim1, dim2."""
    x = d.tensor(d.shape(2, 4), ANY)
    n = len(x.shape)
    return Call((x,), d.options(0.5, offset=[-1, 0, 1, 2], dim1=[d.dim(n)], dim2=[d.dim(n)]))


@op(*both("clone"))
def clone(d: Draw, name: str) -> Call:
    """A copy on the tape."""
    return Call((d.tensor(None, ANY),))


CASTS = ["float", "long", "int", "bool", "half", "bfloat16"]


@op(*("Tensor." + n for n in CASTS))
def cast(d: Draw, name: str) -> Call:
    """To another element type; out-of-range values of float to integer are undefined."""
    x = d.tensor(None, ANY, d.pick("plain", "grid"))
    return Call((x,), twice=False)


@op("Tensor.to", "Tensor.type_as")
def to(d: Draw, name: str) -> Call:
    """To a dtype."""
    target = d.pick(*STORED, "float16", "bfloat16")
    unsigned = target == "uint8"  # has no negative numbers
    x = d.tensor(None, ANY, "positive" if unsigned else d.pick("plain", "grid"))
    if name.endswith("type_as"):
        return Call((x, d.tensor((), (target,), grad=False)))
    return Call((x, Dt(target)))


@op("Tensor.size", "Tensor.dim", "Tensor.numel", "Tensor.tolist", "Tensor.item", "numel")
def asking(d: Draw, name: str) -> Call:
    """Properties of a tensor."""
    x = d.tensor(None, ANY, "grid")
    if name == "Tensor.size" and d.chance(0.6):
        return Call((x, d.dim(len(x.shape))))
    if name == "Tensor.item" and d.chance(0.5):
        x = d.tensor(d.pick((), (1,), (1, 1)), ANY)
    return Call((x,))


def padding(d: Draw, shape: Shape, mode: str) -> tuple[int, ...]:
    """Amounts from the last dimension on; negative ones crop."""
    count = d.integer(0, len(shape)) if mode == "constant" else max(len(shape) - d.pick(1, 2, 2), 0)
    low, high = (-1 if d.chance(0.3) else 0), d.pick(1, 2, 2, 4)
    amounts = [d.integer(low, high) for _ in range(2 * count)]
    if amounts and d.chance(0.04):
        amounts.pop()
    return tuple(amounts)


@op("F.pad")
def pad(d: Draw, name: str) -> Call:
    """All four modes, negative amounts, 2 to 4 dimensions; value with constant only."""
    mode = d.pick("constant", "constant", "reflect", "replicate", "circular")
    x = d.tensor(None, ANY) if mode == "constant" else d.tensor(d.shape(2, 5, 0.04))
    kwargs = {} if mode == "constant" and d.chance(0.4) else {"mode": mode}
    if mode == "constant":
        kwargs |= d.options(0.5, value=[0, 1.5, -2, 3.0])
    if d.chance(0.02):
        kwargs["mode"] = "mirror"
    return Call((x, padding(d, x.shape, mode)), kwargs, k=4)


@op("meshgrid")
def meshgrid(d: Draw, name: str) -> Call:
    """Vectors, indexing."""
    vectors = [d.tensor(d.shape(1, 1), ("float32",)) for _ in range(d.integer(1, 3))]
    return Call(tuple(vectors), {"indexing": d.pick("ij", "xy")})
