"""What tools/compare_torch.py is made of: drawn inputs, an engine, and families of calls."""
