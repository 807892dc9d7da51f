"""A view written to a folder or a stream, in one of the formats."""
