"""Starts the suite as a script: `python tests/benchmarks/run.py --help`."""

import runpy
import sys
from pathlib import Path

# The package's folder stays off the path, its parent goes on it, so that its relative imports work.
sys.path[0] = str(Path(__file__).resolve().parents[1])
runpy.run_module("benchmarks", run_name="__main__", alter_sys=True)
