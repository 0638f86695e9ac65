"""Speed of pydl beside PyTorch, NumPy and JAX: `python -m benchmarks --help`; not in the wheel."""
