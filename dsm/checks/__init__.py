"""What may come in, and what a trainer may rely on: the contract of a dataset, and its rules."""
