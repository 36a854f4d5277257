"""A pipeline over a folder that reads, fills and writes at the same time: python batch_pipeline.py PHOTOS MASKS OUT.

A mask has the name of its photo. Four photos are in work at once, whatever the folder holds; what fails is named, and the rest is finished.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skimage import io

from gi_plugin import GiError
from gi_plugin.hooks.host import Host

WORKERS = 4


def main(photos: Path, masks: Path, out: Path) -> int:
    """Fill every photo and return how many failed."""
    host = Host(options={"dilate": 1})  # one for all threads: the engine is opened once
    host.steps["keep three channels"] = lambda image, _mask: image[..., :3]  # a step of the pipeline's own

    def work(photo: Path) -> str:
        try:
            report = host.run(io.imread(photo), io.imread(masks / photo.name), ("inpaint", "keep three channels"))
            io.imsave(out / photo.name, report.image, check_contrast=False)
        except (GiError, OSError) as error:
            return f"{photo.name}: {error}"
        print(f"{photo.name}: {report.seconds['inpaint']:.2f} s")
        return ""

    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        failures = [text for text in pool.map(work, sorted(photos.glob("*.png"))) if text]
    for text in failures:
        print(text, file=sys.stderr)
    return len(failures)


if __name__ == "__main__":
    sys.exit(1 if main(*map(Path, sys.argv[1:])) else 0)
