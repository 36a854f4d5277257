"""The commands `evaluate`, `ablate` and `throughput`: measure the quality of networks and the speed of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..atomic import replacing
from ..config import DETAILS, Detail, load_config
from ..errors import ConfigError, require
from .stopping import ended_after
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, show
from .train_options import Assignments, Minutes, Steps, make_budget, override, show_progress

if TYPE_CHECKING:
    from gi_plugin.train.evaluation.baselines import FillMethod
    from gi_plugin.train.evaluation.evaluate import ScoreRow
    from gi_plugin.train.evaluation.throughput import Throughput


def evaluate(
    data: Annotated[list[Path], typer.Option("--data", help="Folder, .tar shard or list file of pictures; may be repeated.")],
    masks: Annotated[
        str, typer.Option("--masks", help="Mask sets, separated by commas: docs/training.md lists them.")
    ] = "center,random,freeform",
    baselines: Annotated[
        str, typer.Option("--baselines", help="Other methods to run, separated by commas, empty for none: docs/training.md lists them.")
    ] = "telea,ns,biharmonic",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for results; results that it already contains are not computed again.")
    ] = Path("out/evaluation"),
    limit: Annotated[int, typer.Option("--limit", min=0, help="Number of pictures to use; 0 for all.")] = 0,
    details: Annotated[str, typer.Option("--details", help="Kinds of detail to score, separated by commas.")] = "transfer,network",
    judge: Annotated[bool, typer.Option("--judge", help="Add two distances of deep features of an independent network.")] = False,
    sheets: Annotated[bool, typer.Option("--sheets", help="Also draw a contact sheet per mask set.")] = False,
    config: ConfigFile = None,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Score the network and other methods on the same pictures and holes."""
    require("torch", "train")
    from gi_plugin.train.evaluation import evaluate as evaluation  # noqa: PLC0415  # heavy
    from gi_plugin.train.evaluation.baselines import baseline  # noqa: PLC0415
    from gi_plugin.train.evaluation.features import FeatureNetwork  # noqa: PLC0415
    from gi_plugin.train.evaluation.mask_sets import SIZE  # noqa: PLC0415

    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy
    from ..network_file import THIN, fingerprint, network_path  # noqa: PLC0415

    settings = load_config(config, backend)
    inpainter = Inpainter(settings)
    large, thin = (fingerprint(path)[:8] for path in (network_path(settings.model.path), network_path(settings.model.thin, THIN)))
    versions = {"network": large, "transfer": f"{large}+{thin}"}  # scores are kept by these names, so they say which networks ran
    backend = inpainter.engine(SIZE).backend
    fills: dict[str, FillMethod] = {
        f"gi-plugin {versions[detail]} {backend} {detail}": partial(inpainter, detail=detail) for detail in map(_detail, details.split(","))
    }
    methods = {**fills, **{name: baseline(name) for name in baselines.split(",") if name}}
    with Spinner("reading the data") as progress:
        rows = evaluation.evaluate(
            data,
            masks.split(","),
            methods,
            output,
            lambda text, number, total: progress(f"{number} of {total}: {text}"),
            limit,
            FeatureNetwork() if judge else None,
        )
        for mask_set in masks.split(",") if sheets else ():
            evaluation.draw_sheet(data, mask_set, methods, output / f"{mask_set}.png")
    _show_scores(rows, as_json)


def ablate(
    data: Annotated[Path, typer.Option("--data", help="Pictures to train on: folder, .tar shard or list file.")],
    scored: Annotated[list[Path], typer.Option("--scored", help="Pictures to score on; may be repeated.")],
    first: Annotated[list[str], typer.Option("--first", help="Setting of the first run, as key=value; may be repeated.")],
    second: Annotated[list[str], typer.Option("--second", help="Setting of the second run, as key=value; may be repeated.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for both runs.")] = Path("runs/ablation"),
    minutes: Minutes = None,
    steps: Steps = None,
    assignments: Assignments = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train with two settings under the same budget and seed, and score both networks on the same holes."""
    require("torch", "train")
    from gi_plugin.train.evaluation import ablation  # noqa: PLC0415  # heavy

    common = override(load_config(config).train, assignments)
    settings = {", ".join(words): override(common, words) for words in (first, second)}
    with Spinner("reading the data") as show_text:
        rows = ablation.ablate(
            data, scored, output, settings, make_budget(minutes, steps), lambda name, progress: show_progress(progress, show_text, name)
        )
    _show_scores(rows, as_json)


def throughput(
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End after this time, with what has been measured by then.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the rows to this JSON file, each as soon as it is measured.")
    ] = None,
    assignments: Assignments = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Time a full training step in fp32, in bf16 with the channels-last layout, and without critics, and name what limits each."""
    require("torch", "train")
    rows: dict[str, Throughput] = {}
    with Spinner("measuring") as progress, ended_after(minutes and 60 * minutes):
        from gi_plugin.engines.attention.autograd import accelerate  # noqa: PLC0415  # heavy
        from gi_plugin.train.evaluation import throughput as speeds  # noqa: PLC0415

        for row in speeds.measure(speeds.variants(override(load_config(config).train, assignments)), progress, accelerate):
            if row.name not in rows:
                say(f"{row.name}: {row.pictures_per_second:.3f} pictures/s; prepared in {row.preparation:.0f} s; {row.profile.bound}")
            rows[row.name] = row
            if output:
                _write_speeds(output, rows.values())  # after each row: the measurement may be cut short
    if not rows:
        raise ConfigError(f"no setting was measured in {minutes:g} minutes: allow more, or try --set compile=off")
    if as_json:
        print_json(_speeds(rows.values()))
        return
    table = Table("setting", "pictures/s", "times as many as the first", "bound")
    for row in rows.values():
        table.add_row(row.name, f"{row.pictures_per_second:.3f}", f"{row.ratio:.2f}", row.profile.bound)
    show(table)


def _write_speeds(file: Path, rows: Iterable[Throughput]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as partial:
        partial.write_text(json.dumps(_speeds(rows), indent=1) + "\n", encoding="utf-8")


def _speeds(rows: Iterable[Throughput]) -> list[dict[str, Any]]:
    return [{**vars(row), "profile": vars(row.profile), "bound": row.profile.bound} for row in rows]


def _detail(name: str) -> Detail:
    found = next((detail for detail in DETAILS if detail == name), None)
    if found is None:
        raise ConfigError(f"--details {name}: expected {' or '.join(DETAILS)}, or both separated by a comma")
    return found


def _show_scores(rows: list[ScoreRow], as_json: bool) -> None:
    """Print the rows of an evaluation as a table or as JSON."""
    if as_json:
        print_json([_json(row) for row in rows])
    else:
        show(score_table(rows))


def score_table(rows: Sequence[ScoreRow]) -> Table:
    """Make the table of an evaluation. It counts failures only if a method failed."""
    counts = ("pictures", "failed") if any(row.failed for row in rows) else ("pictures",)
    scores = ("l1 %", "l2 %", "PSNR", "TV %", "SSIM", "PSNR in hole", "texture %")
    table = Table("masks", "method", *counts, *scores, "features", "kernel")
    for row in rows:
        means = (None,) * len(scores) if row.scores is None else vars(row.scores).values()
        figures = ("" if value is None else f"{value:.3f}" for value in (*means, row.feature_distance, row.kernel_distance))
        table.add_row(row.mask_set, row.method, *(str(getattr(row, name)) for name in counts), *figures)
    return table


def _json(row: ScoreRow) -> dict[str, Any]:
    judged = {"feature_distance": row.feature_distance, "kernel_distance": row.kernel_distance}
    return {
        "method": row.method,
        "masks": row.mask_set,
        "pictures": row.pictures,
        "failed": row.failed,
        **({} if row.scores is None else vars(row.scores)),
        **{name: value for name, value in judged.items() if value is not None},
    }


COMMANDS: tuple[Callable[..., None], ...] = (evaluate, ablate, throughput)
