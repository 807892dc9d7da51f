"""Files whose lines are examples: how they are read, and what is said of each record."""
