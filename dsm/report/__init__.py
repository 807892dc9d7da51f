"""One page about examples: what changed, how they spread, what the rules found."""
