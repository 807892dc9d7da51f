"""The table of commands: everything that `dsm --help` says, with nothing imported.

One row a command: the module that holds it and its one-line help, which is also the first line of
the command's own docstring (a test compares them). The order is the order of the help.
"""

from __future__ import annotations

COMMANDS = {
    "init": ("dsm.cli.init", "Make a repository, or a dataset in it"),
    "dataset": ("dsm.cli.dataset", "Create, list, describe and change datasets"),
    "switch": ("dsm.cli.switch", "Choose the dataset that commands use"),
    "demo": ("dsm.cli.demo", "Make a small example dataset and walk through the commands"),
    "add": ("dsm.cli.add", "Stage new and changed files for the next changeset"),
    "label": ("dsm.cli.label", "Stage other labels for examples, leaving their content alone"),
    "rm": ("dsm.cli.rm", "Stage the removal of examples, and remove their files"),
    "mv": ("dsm.cli.mv", "Stage a rename of examples, and move their files"),
    "commit": ("dsm.cli.commit", "Record what is staged as the next changeset"),
    "check": ("dsm.cli.check", "Ask the rules of the dataset's contract"),
    "lock": ("dsm.cli.lock", "Write dsm.lock, which names the data that belongs to your code"),
    "hooks": ("dsm.cli.hooks", "Let git ask dsm, and run programs of yours around commands"),
    "tag": ("dsm.cli.tag", "List, create and delete names of changesets"),
    "status": ("dsm.cli.status", "Show what is staged, changed and new"),
    "log": ("dsm.cli.log", "Show the changesets, newest first"),
    "show": ("dsm.cli.show", "Show one changeset and what it did"),
    "diff": ("dsm.cli.diff", "Show changes between snapshots, the stage and the files here"),
    "ls": ("dsm.cli.ls", "List the examples of a snapshot"),
    "cat": ("dsm.cli.cat", "Write the content of examples to standard output"),
    "stats": ("dsm.cli.stats", "Sum up examples by column: labels, sizes, times, attributes"),
    "drift": ("dsm.cli.drift", "Tell which columns of two sets of examples differ"),
    "report": ("dsm.cli.report", "Write one page about examples"),
    "restore": ("dsm.cli.restore", "Bring files back from a changeset, or unstage changes"),
    "revert": ("dsm.cli.revert", "Undo one changeset by a new one"),
    "rollback": ("dsm.cli.rollback", "Go back to a changeset by a new one"),
    "prepare": ("dsm.cli.prepare", "Choose examples for training and print the view's version"),
    "split": ("dsm.cli.split", "Make, list, show and remove splits of a dataset"),
    "segment": ("dsm.cli.segment", "Make, list, show and compare named filters"),
    "view": ("dsm.cli.view", "List, show, compare and forget prepared views"),
    "sweep": ("dsm.cli.sweep", "Prepare a view with several newest shares or samples"),
    "ablate": (
        "dsm.cli.ablate",
        "Prepare a view without each of its changesets, labels or segments",
    ),
    "why": ("dsm.cli.why", "Tell why an example is in a view, or is not"),
    "get": ("dsm.cli.get", "Write the examples of a view as shards, tar, files or Parquet"),
    "run": ("dsm.cli.run", "Run a program, and record what data it reads and how it ends"),
    "rerun": ("dsm.cli.rerun", "Run the program of a run again, on the same or other data"),
    "runs": ("dsm.cli.runs", "List, show, compare, draw, export and remove runs"),
    "bisect": ("dsm.cli.bisect", "Find the changeset, label or segment that broke a metric"),
    "attribute": ("dsm.cli.attribute", "Tell which changesets moved a metric"),
    "predictions": ("dsm.cli.predictions", "Add, list and remove what runs predicted"),
    "evaluate": ("dsm.cli.evaluate", "Measure how good the predictions of a run are"),
    "failures": ("dsm.cli.failures", "List what a run got wrong, and prepare it as a view"),
    "labels": (
        "dsm.cli.labels",
        "Find labels that are probably wrong, and how annotators agree",
    ),
    "suggest": (
        "dsm.cli.suggest",
        "Tell which examples to label next, the most useful first",
    ),
    "lineage": ("dsm.cli.lineage", "Tell what something was made of, and what was made of it"),
    "used": ("dsm.cli.used", "List every view and every run that had an example"),
    "source": ("dsm.cli.source", "Name restricted datastores, and test that they answer"),
    "receipts": ("dsm.cli.receipts", "List who read how much of which source, and when"),
    "clone": ("dsm.cli.clone", "Copy a remote into a new folder"),
    "remote": ("dsm.cli.remote", "Name the places to push a repository to and pull it from"),
    "push": ("dsm.cli.push", "Upload changesets to a remote"),
    "fetch": ("dsm.cli.fetch", "Look at what a remote has; nothing here changes"),
    "pull": ("dsm.cli.pull", "Take in the changesets of a remote"),
    "import": ("dsm.cli.import_data", "Stage data from an address, without files here"),
    "update-import": ("dsm.cli.update_import", "Stage what is new where data was imported from"),
    "reference": ("dsm.cli.reference", "List and trust the places that references lead to"),
    "config": ("dsm.cli.config", "Read and change settings"),
    "fsck": ("dsm.cli.fsck", "Check that nothing in the repository is damaged"),
    "gc": ("dsm.cli.gc", "Find, and with --prune remove, data that nothing refers to"),
    "completion": ("dsm.cli.completion", "Print the script that completes dsm in a shell"),
}

# Those whose output a pager shows on a terminal.
PAGED = ("log", "diff", "show", "ls")

SECTIONS = {
    "Start": ("init", "dataset", "switch", "demo"),
    "Record changes": ("add", "label", "rm", "mv", "commit", "check", "lock", "hooks", "tag"),
    "Look": ("status", "log", "show", "diff", "ls", "cat", "stats", "drift", "report"),
    "Go back": ("restore", "revert", "rollback"),
    "Train": ("prepare", "split", "segment", "view", "sweep", "ablate", "why", "get"),
    "Keep track": (
        "run", "rerun", "runs", "bisect", "attribute", "predictions", "evaluate", "failures",
        "labels", "suggest", "lineage", "used",
    ),
    "Sources": ("source", "receipts"),
    "Share": ("clone", "remote", "push", "fetch", "pull", "import", "update-import", "reference"),
    "Look after the repository": ("config", "fsck", "gc", "completion"),
}  # fmt: skip
