"""What changesets add up to: snapshots, differences, commits and reverts."""
