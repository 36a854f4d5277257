"""The kernels of the transfer, their parameters and the number of items per program.

A form is the name of a kernel, and behind a space what sets it apart from other forms of the same kernel.
"""

from __future__ import annotations

from functools import cache

MODULES = {  # module: its kernels
    "pictures": ("texture_rows", "planes", "halve"),
    "blur": ("blur_rows", "blur_columns"),
    "level": ("complete", "known_texture", "first_estimate", "double"),
    "search": ("search", "attend"),
    "votes": ("cost_scale", "vote_weights", "vote", "copy"),
    "composition": ("push", "pull", "lack", "surround", "finish"),
}
BLOCKS = {  # targets or pixels per program
    "texture_rows": 128,
    "planes": 128,
    "halve": 32,
    "blur_rows": 128,
    "blur_rows masked": 128,
    "blur_rows planes": 128,
    "blur_columns": 128,
    "blur_columns fixed": 128,
    "complete": 128,
    "known_texture": 128,
    "first_estimate": 128,
    "double": 128,
    "search": 4,
    "search guided": 4,
    "attend": 4,
    "attend guided": 4,
    "cost_scale": 1,
    "vote_weights": 128,
    "vote": 16,
    "vote priced": 16,
    "copy": 128,
    "push": 64,
    "pull": 64,
    "lack": 128,
    "surround": 128,
    "finish": 128,
}
MOST_COSTS = 16384  # costs that `cost_scale` reads: fewer than twice matching.SAMPLE
WARPS = {"cost_scale": 16}  # 4 for the others
CONSTANTS: dict[str, dict[str, int | bool]] = {
    "blur_rows": {"masked": False},
    "blur_rows masked": {"masked": True},
    "blur_rows planes": {"masked": True},
    "attend": {"guided": False},
    "attend guided": {"guided": True},
    "search": {"guided": False},
    "search guided": {"guided": True},
    "vote": {"priced": False},
    "vote priced": {"priced": True},
}
SOUGHT = (
    "planes *i16, valid *u8, low *i16, rows i32, columns i32, pull fp32, estimate *i16, weight *u8, goal *i16, width i32, targets *i32, "
    "count i32, field *i32, "
)
BOX = "top i32, left i32, width i32, "
PARAMETERS = {  # with Triton's types
    "texture_rows": "image *fp32, known *u8, columns i32, count i32, taps *fp32, radius i32, lines *fp32",
    "planes": "image *fp32, known *u8, columns i32, count i32, lines *fp32, taps *fp32, radius i32, planes *i16, counts *u16",
    "halve": "planes *i16, counts *u16, rows i32, columns i32, half *i16, half_counts *u16, count i32",
    "blur_rows": "values *fp32, known *u8, columns i32, count i32, taps *fp32, radius i32, lines *fp32",
    "blur_columns": f"lines *fp32, rows i32, columns i32, taps *fp32, radius i32, {BOX}count i32, result *fp32",
    "complete": "guide *fp32, guide_rows i32, guide_columns i32, row_first *i32, row_shares *fp32, column_first *i32, column_shares *fp32, "
    f"planes *i16, columns i32, weight *u8, {BOX}height i32, wide_top i32, wide_left i32, wide_width i32, count i32, completed *fp32",
    "known_texture": f"planes *i16, columns i32, weight *u8, {BOX}part_top i32, part_left i32, part_width i32, count i32, values *fp32, "
    "known *u8",
    "first_estimate": f"planes *i16, columns i32, weight *u8, {BOX}count i32, completed *fp32, wide_top i32, wide_left i32, "
    "wide_width i32, texture *fp32, part_top i32, part_left i32, part_width i32, estimate *i16, start *i32, field *i32, found *i32, "
    "weights *fp32",
    "double": "coarse_field *i32, coarse_weights *fp32, coarse_top i32, coarse_left i32, coarse_height i32, coarse_width i32, planes *i16, "
    f"valid *u8, rows i32, columns i32, weight *u8, target *u8, {BOX}count i32, places *i32, place_count i32, seed i32, estimate *i16, "
    "field *i32, found *i32, weights *fp32",
    "search": f"{SOUGHT}found *i32, cost *fp32, radius i32, seed i32",
    "attend": f"{SOUGHT}top i32, left i32, matches *i32, cell_rows i32, cell_columns i32, step i32, shift i32",
    "cost_scale": "cost *fp32, targets *i32, step i32, length i32, rank i32, scale *fp32",
    "vote_weights": "cost *fp32, targets *i32, count i32, scale *fp32, weights *fp32",
    "vote": "planes *i16, columns i32, field *i32, weights *fp32, width i32, scale *fp32, pixels *i32, count i32, votes *i16",
    "copy": "image *fp32, blurred *fp32, columns i32, field *i32, weights *fp32, window *fp32, width i32, pixels *i32, count i32, top i32, "
    "left i32, low *fp32, high *fp32, correction *fp32",
    "push": "values *fp32, known *u8, rows i32, columns i32, half *fp32, half_known *u8, count i32",
    "pull": "values *fp32, known *u8, columns i32, count i32, half *fp32, half_rows i32, half_columns i32",
    "lack": f"image *fp32, columns i32, votes *i16, border *u8, {BOX}count i32, correction *fp32",
    "surround": f"image *fp32, columns i32, votes *i16, weight *u8, correction *fp32, fade *fp32, {BOX}height i32, wide_top i32, "
    "wide_left i32, wide_width i32, count i32, filled *fp32",
    "finish": "low *fp32, high *fp32, correction *fp32, fade *fp32, weight *u8, count i32, filled *fp32",
}
OTHER_TYPES = {"blur_rows planes": {"values": "*i16"}, "blur_columns fixed": {"result": "*i16"}}


def kernel_name(form: str) -> str:
    """Return the name of a form's kernel."""
    return form.partition(" ")[0]


def module_of(form: str) -> str:
    """Return the name of the module that has a form's kernel."""
    return next(module for module, names in MODULES.items() if kernel_name(form) in names)


@cache
def signature(form: str) -> dict[str, str]:
    """Return the parameters of a form with Triton's types, in their order."""
    parameters = (entry.partition(" ") for entry in PARAMETERS[kernel_name(form)].split(", "))
    return {parameter: kind for parameter, _, kind in parameters} | OTHER_TYPES.get(form, {})


def constants(form: str) -> dict[str, int | bool]:
    """Return the constant parameters of a form."""
    return {"most": MOST_COSTS} if form == "cost_scale" else {**CONSTANTS.get(form, {}), "block": BLOCKS[form]}
