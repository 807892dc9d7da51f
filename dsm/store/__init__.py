"""Content-addressed bytes: objects, chunks, packs. Nothing above this package knows packs exist."""
