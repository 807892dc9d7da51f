"""What models predict: predictions of runs, how good they are, and which examples to look at."""
