"""Why examples are in a view or not, and in what two views differ."""
