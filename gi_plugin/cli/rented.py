"""The command `gpu-train`: one training session on a GPU that is rented by the minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..config import TrainSettings, load_config
from ..errors import require
from .terminal import ConfigFile, Spinner, say
from .train_options import Assignments, override, show_progress


def gpu_train(
    data: Annotated[Path, typer.Option("--data", help="Folder of pictures (with subfolders), .tar shard, or list file.")],
    minutes: Annotated[float, typer.Option("--minutes", min=0.01, help="Minutes until everything is written.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the session.")] = Path("runs/gpu"),
    start: Annotated[
        Path | None, typer.Option("--start", help="Network file or checkpoint to start from, or the folder of an earlier session.")
    ] = None,
    part_mb: Annotated[float, typer.Option("--part-mb", min=1, help="Largest size of a file of the state, in megabytes.")] = 64,
    cpu: Annotated[bool, typer.Option("--cpu", help="Try the session without a GPU.")] = False,
    assignments: Assignments = None,
    config: ConfigFile = None,
) -> None:
    """Train on a GPU for some minutes, everything included; leave the state in parts, session.json and sheet.png."""
    require("torch", "train")
    from gi_plugin.engines.attention.autograd import accelerate  # noqa: PLC0415  # heavy
    from gi_plugin.train.rented import session  # noqa: PLC0415

    chosen = replace(TrainSettings(), **session.RECIPE) if config is None else load_config(config).train
    settings = override(chosen, assignments)
    session.check(data, start, output, settings, cpu=cpu)
    with Spinner("preparing") as show_text:
        done = session.train_for(
            minutes, data, output, settings, part_mb, lambda progress: show_progress(progress, show_text), start, accelerate
        )
    say(
        f"trained {done['steps']} steps in {done['seconds'] / 60:.1f} minutes on {done['device']}; PSNR in the hole "
        f"{done['psnr_before']:.2f} dB before, {done['psnr_after']:.2f} dB after; wrote {len(done['parts'])} parts, session.json and "
        f"sheet.png to {output}"
    )


COMMANDS: tuple[Callable[..., None], ...] = (gpu_train,)
