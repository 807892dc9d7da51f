"""The benchmark suite: every speed, size and memory bar of dsm, measured beside its yardstick.

    python -m tests.benchmarks --help
    python -m tests.benchmarks --cifar cifar10.tar.zst --json figures.json
    python -m tests.benchmarks --only add restore --scale 0.1 --no-peers

Needs nothing but Python and dsm. git, DVC, Oxen (`pip install oxenai`, best in an environment of
its own, given with --oxen-python), strace and CIFAR-10 are used when they are there; what is absent
has a row that says so. Remotes in a bucket need `moto[server]` and obstore, and a DVC that was
installed as `dvc[s3]`, whose s3fs is the yardstick of uploads. Full size wants 60 GB of free disk and 8 GB of memory.

corpus.py makes the inputs, measure.py runs and interleaves commands, scratch.py keeps the disk
fair, programs.py knows how to call everything, report.py judges and prints, workloads.py lists
what is measured.
"""
