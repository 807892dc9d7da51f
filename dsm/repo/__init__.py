"""The `.dsm` folder: layout, the repository, the changeset log, locks. Read this first."""
