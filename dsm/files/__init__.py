"""The files of people: read into the store, written from it, looked at, moved and removed."""
