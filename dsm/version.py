"""The version, as a literal: `dsm --version` imports nothing else."""

__version__ = "0.1.0"
