"""`python -m tests.benchmarks`: the same program as `python tests/benchmarks/run.py`."""

import sys

from .suite import main

sys.exit(main())
