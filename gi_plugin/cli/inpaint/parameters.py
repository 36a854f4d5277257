"""The parameters of the command `inpaint`: their names, types, help, and group in the help (no group: the first one)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ...config import Detail

MISSING, FILL, MANY = "What is missing", "How it is filled", "Many pictures"

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="PICTURE... [MASK]",
        help="Picture, folder of pictures, or pattern such as 'photos/*.jpg', then its mask (white = missing): a file for all "
        "pictures, or a folder of masks with the same names. - is standard input. Without a mask, transparent pixels are missing.",
    ),
]

Output = Annotated[
    str | None,
    typer.Option("--output", "-o", help="Result file; folder for results, which is made; or - for standard output."),
]
InPlace = Annotated[bool, typer.Option("--in-place", help="Replace the picture by its result (one picture, lossless formats).")]
AttentionMap = Annotated[
    Path | None,
    typer.Option("--attention-map", help="Also draw the attention map to this file (one picture only)."),
]

Mask = Annotated[
    Path | None,
    typer.Option("--mask", "-m", help="The mask as an option; all other paths are then pictures.", rich_help_panel=MISSING),
]
Box = Annotated[
    list[str] | None,
    typer.Option(
        "--box", metavar="X,Y,W,H", help="Fill this box (left, top, width, height in pixels); may be repeated.", rich_help_panel=MISSING
    ),
]
MaskFrom = Annotated[
    str | None,
    typer.Option("--mask-from", help="Name of the plugin that finds the mask in each picture, such as specks.", rich_help_panel=MISSING),
]
Dilate = Annotated[int | None, typer.Option("--dilate", help="Grow the hole by this many pixels, 0 to 64.", rich_help_panel=MISSING)]
MaskAlpha = Annotated[bool, typer.Option("--mask-alpha", help="Read the hole from the mask's alpha channel.", rich_help_panel=MISSING)]
InvertMask = Annotated[
    bool, typer.Option("--invert-mask", help="Black (with --mask-alpha: transparent) = missing.", rich_help_panel=MISSING)
]
MaskSuffix = Annotated[
    str,
    typer.Option("--mask-suffix", help="Many pictures: the mask of a.png is a, then this text (_mask or -mask).", rich_help_panel=MISSING),
]

DetailFrom = Annotated[
    Detail | None,
    typer.Option(
        "--detail",
        help="transfer: pixels of the picture, guided by the network; network: the network's own pixels.",
        rich_help_panel=FILL,
    ),
]
Sources = Annotated[
    Path | None,
    typer.Option(
        "--sources",
        help="Mask of the region that pixels may come from (white = yes); as large as each picture.",
        rich_help_panel=FILL,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another number gives another result.", rich_help_panel=FILL)]
DataRange = Annotated[
    tuple[float, float] | None,
    typer.Option(
        "--data-range",
        help="Lowest and highest value of the picture, if it is not 8 bits (default: from its known pixels).",
        rich_help_panel=FILL,
    ),
]

Sequence = Annotated[
    bool,
    typer.Option(
        "--sequence",
        help="The folder holds the frames of a sequence, in the order of their names: fill them calmly.",
        rich_help_panel=MANY,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Also make results again that exist already.", rich_help_panel=MANY)]
WithRay = Annotated[bool, typer.Option("--ray", help="Distribute the work with Ray, here or on --address.", rich_help_panel=MANY)]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Ray cluster; auto is the one that this machine belongs to.", rich_help_panel=MANY),
]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only warnings and failures.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print engines, windows and times.")]
