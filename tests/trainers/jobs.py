"""One job in two processes: trains two epochs over every kind of dataset, and tells who saw what.

    torchrun --standalone --nproc_per_node 2 jobs.py accelerate|lightning|transformers WORKERS

It stands in a repository with the views `even` and `odd`, whose examples hold their numbers. It
prints a line of JSON for each epoch: [name, epoch, [what rank 0 saw, what rank 1 saw]].
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as distributed
from torch.utils.data import DataLoader

import dsm
from dsm.torch import IterableViewDataset, ViewDataset, ViewLoader

warnings.simplefilter("ignore")
EPOCHS = 2
BATCH = 4


def decoded(example: Any) -> dict[str, Any]:
    number = int(example.bytes)
    return {"number": torch.tensor(number), "inputs": torch.tensor([float(number)])}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(1, 1)
        self.seen: list[int] = []

    def forward(self, number: torch.Tensor, inputs: torch.Tensor, **_: Any) -> dict[str, Any]:
        self.seen += number.tolist()
        return {"loss": self.linear(inputs / 1000).mean(), "logits": inputs}


def tell(name: str, epoch: int, seen: list[int]) -> None:
    everyone: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyone, list(seen))
    seen.clear()
    if distributed.get_rank() == 0:
        print(json.dumps([name, epoch, everyone]), flush=True)


def loaders(view: Any, workers: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yields every way to load a view, by name."""

    def batches(**options: Any) -> IterableViewDataset:
        return IterableViewDataset(view, seed=7, transform=decoded, batch_size=BATCH, **options)

    yield (
        "ViewDataset",
        lambda: DataLoader(
            ViewDataset(view, decoded), batch_size=BATCH, shuffle=True, num_workers=workers
        ),
    )
    yield (
        "items",
        lambda: DataLoader(
            IterableViewDataset(view, seed=7, transform=decoded), batch_size=BATCH,
            num_workers=workers, drop_last=False,
        ),
    )  # fmt: skip
    yield "batches", lambda: DataLoader(batches(), batch_size=None, num_workers=workers)
    yield "ViewLoader", lambda: ViewLoader(batches(drop_last=True), num_workers=workers)


def accelerate(workers: int) -> None:
    from accelerate import Accelerator, DataLoaderConfiguration

    for dispatch in (None, False):
        configuration = DataLoaderConfiguration(dispatch_batches=dispatch)
        accelerator = Accelerator(cpu=True, dataloader_config=configuration)
        for which in ("even", "odd"):
            for name, make in loaders(dsm.open(".").view(which), workers):
                if name == "batches" and dispatch is False:
                    continue  # Accelerate asks for the batch size of the DataLoader
                loader = accelerator.prepare(make())
                for epoch in range(EPOCHS):
                    seen = [n for batch in loader for n in batch["number"].tolist()]
                    tell(f"{which} {name}{'' if dispatch is None else ' each'}", epoch, seen)
                del loader
    accelerator.end_training()


def lightning(workers: int) -> None:
    import lightning as library

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(library.LightningModule):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__()
            self.net, self.name = Net(), name

        def training_step(self, batch: Any, number: int) -> Any:
            return self.net(**batch)["loss"]

        def on_train_epoch_end(self) -> None:
            tell(self.name, self.current_epoch, self.net.seen)

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.01)

    for which in ("even", "odd"):
        view = dsm.open(".").view(which)
        for name, make in loaders(view, workers):
            if which == "odd" and name in ("items", "batches"):
                continue  # one rank would have a batch more, and wait for the other for ever
            trainer = library.Trainer(
                max_epochs=EPOCHS, accelerator="cpu", devices=2, strategy="ddp", logger=False,
                enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            )  # fmt: skip
            trainer.fit(Module(f"{which} {name}"), make())


def transformers(workers: int) -> None:
    import transformers as library

    library.utils.logging.set_verbosity_error()
    for which in ("even", "odd"):
        view = dsm.open(".").view(which)
        for name, dataset in (
            ("ViewDataset", ViewDataset(view, decoded)),
            ("items", IterableViewDataset(view, seed=7, transform=decoded)),
        ):
            net = Net()

            class Tell(library.TrainerCallback):  # type: ignore[misc]
                def on_epoch_end(
                    self, arguments: Any, state: Any, control: Any,
                    name: str = f"{which} {name}", net: Net = net, **_: Any,
                ) -> None:  # fmt: skip
                    tell(name, round(state.epoch) - 1, net.seen)

            arguments = library.TrainingArguments(
                "out", use_cpu=True, num_train_epochs=EPOCHS, per_device_train_batch_size=BATCH,
                report_to=[], dataloader_num_workers=workers, save_strategy="no",
                logging_strategy="no", remove_unused_columns=False, disable_tqdm=True,
            )  # fmt: skip
            library.Trainer(net, arguments, train_dataset=dataset, callbacks=[Tell()]).train()


if __name__ == "__main__":
    {"accelerate": accelerate, "lightning": lightning, "transformers": transformers}[sys.argv[1]](
        int(sys.argv[2])
    )
