"""What content says of itself when it is read to the end: a module for each kind."""
