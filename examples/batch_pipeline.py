"""Fill every photo of a folder, four at a time: python batch_pipeline.py PHOTOS MASKS OUT.

The mask of a photo has the same file name. Failed photos are listed at the end and do not stop the others.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from imagecodecs import imread, imwrite

from gi_plugin import GiError
from gi_plugin.hooks.host import Host

WORKERS = 4


def main(photos: Path, masks: Path, out: Path) -> int:
    """Fill every photo and return the number of failures."""
    host = Host(options={"dilate": 1})  # shared by all threads, so that the engine is opened once
    host.steps["keep three channels"] = lambda image, _mask: image[..., :3]  # an extra step of this pipeline

    def fill(photo: Path) -> str:
        try:
            report = host.run(imread(photo), imread(masks / photo.name), ("inpaint", "keep three channels"))
            imwrite(out / photo.name, report.image)
        except (GiError, OSError) as error:
            return f"{photo.name}: {error}"
        print(f"{photo.name}: {report.seconds['inpaint']:.2f} s")
        return ""

    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(WORKERS) as pool:
        failures = [text for text in pool.map(fill, sorted(photos.glob("*.png"))) if text]
    for text in failures:
        print(text, file=sys.stderr)
    return len(failures)


if __name__ == "__main__":
    sys.exit(1 if main(*map(Path, sys.argv[1:])) else 0)
