#!/usr/bin/env python3
"""How long 1,000 pictures of the size of Kvasir-SEG's take to become an array.

Usage: python bench/prepare.py [FOLDER]. Repeats the pairs of FOLDER/images and FOLDER/masks (JPEG),
or else a picture that comes with scikit-image, and runs `snakemake --cores 2` for them.
"""

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
COUNT = 1000


def pairs(folder, work):
    """Picture and mask, as files."""
    if folder:
        return [(path, folder / "masks" / path.name) for path in folder.glob("images/*.jpg")]
    picture, mask = work / "picture.jpg", work / "mask.jpg"
    image = Image.fromarray(data.retina()).resize((622, 529))
    image.save(picture, quality=95)
    image.convert("L").point(lambda value: 255 * (value > 100)).save(mask, quality=95)
    return [(picture, mask)]


def prepare(folder, work):
    """Write the pictures into `work`, prepare them and say how long that took."""
    found = sorted(pairs(Path(folder).resolve() if folder else None, work))
    for kind in ("images", "masks"):
        (work / "many" / kind).mkdir(parents=True)
    for i, (image, mask) in zip(range(COUNT), itertools.cycle(found), strict=False):
        (work / f"many/images/{i}.jpg").symlink_to(image)
        (work / f"many/masks/{i}.jpg").symlink_to(mask)
    many = {"adapter": "kvasir_seg", "path": str(work / "many")}
    (work / "settings.yaml").write_text(yaml.safe_dump({"datasets": {"many": many}}))
    command = [sys.executable, "-m", "snakemake", "results/data/many/images.npy", "--cores", "2"]
    command += ["--snakefile", ROOT / "Snakefile", "--directory", work]
    begun = time.monotonic()
    subprocess.run(
        [*command, "--configfile", ROOT / "config.yaml", work / "settings.yaml"], check=True
    )
    size = Image.open(found[0][0]).size
    print(f"{COUNT} pairs, the first of {size} pixels: {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        prepare(sys.argv[1] if len(sys.argv) > 1 else None, Path(work))
