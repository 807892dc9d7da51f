"""What a view's query selects of the stored examples, and what is remembered of it."""
