"""The folder people edit: scan, ignore rules, index, stage, status, restore."""
