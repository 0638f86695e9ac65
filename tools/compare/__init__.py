"""What tools/compare_torch.py is made of: drawn inputs, the engine, and the ops family by family."""
