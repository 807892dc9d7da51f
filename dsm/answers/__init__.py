"""What each command answers with --json, made of the library's reports: dictionaries and lists.

Hides the names of members, which docs/reference/json.md promises, and how ids, times and types are
written. Nothing here prints, so a server can give the same answers. A function `…_answer` makes a
whole document, `…_fields` a part of several. A document's last member may be an iterator: an array
whose rows are made as they are asked for, so that a long answer is never in memory as a whole.
"""
