"""Kernels in NumPy (the oracle) and what they share with the native ones."""
