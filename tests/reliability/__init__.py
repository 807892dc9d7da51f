"""Reliability tests: what must hold when disks fail, processes die, power goes and locks lie."""
