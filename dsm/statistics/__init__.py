"""How far two samples differ: tests and distances over Arrow columns, without rules or views."""
