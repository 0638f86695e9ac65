"""The op cases, one family a file: see tests/opcases.py."""
