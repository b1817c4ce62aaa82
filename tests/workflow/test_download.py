"""From addresses to maps: an archive of images and weights in MoCo's layout, from a real server."""

import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet50

from thetascope.files import read_csv

RUN = "results/runs/kvasir/plain/resnet50/moco/angle-090.0/seed-0"
SETTINGS = [
    "datasets={ihc: null, kvasir: {adapter: kvasir_seg}}",
    "encoders=[resnet50]",
    "angles=[90]",
    "image_size=32",
    "finetune={epochs: 1}",
    "saliency={samples: 1, items: 2}",
]


@pytest.fixture
def served(tmp_path):
    """A folder and the address at which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def write_images(path, top="Kvasir-SEG/"):
    """Twenty pairs in the layout of Kvasir-SEG's archive, or with others folders above them."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20):
            image = rng.integers(0, 200, (40, 50, 3), dtype=np.uint8)
            mask = np.zeros((40, 50), np.uint8)
            mask[10:30, 10:30] = 255
            for kind, pixels in ("images", image), ("masks", mask):
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG")
                archive.writestr(f"{top}{kind}/cju{i}.jpg", file.getvalue())
                archive.writestr(f"__MACOSX/{top}{kind}/._cju{i}.jpg", b"Mac OS X")


def write_moco_v2(path):
    """A checkpoint in the official layout: both encoders with their heads, and the queue."""
    torch.manual_seed(0)
    query = resnet50()
    query.fc = torch.nn.Sequential(
        torch.nn.Linear(2048, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 128)
    )
    weights = query.state_dict()
    state = {f"module.encoder_q.{key}": value for key, value in weights.items()}
    state |= {f"module.encoder_k.{key}": value * 2 for key, value in weights.items()}
    state |= {"module.queue": torch.zeros(128, 65536), "module.queue_ptr": torch.zeros(1)}
    torch.save({"epoch": 800, "arch": "resnet50", "state_dict": state, "optimizer": {}}, path)
    return weights


def test_downloaded_images_and_weights_go_all_the_way_to_scores(fresh, served):
    folder, address = served
    write_images(folder / "images.zip")
    weights = write_moco_v2(folder / "moco")
    md5 = hashlib.md5((folder / "moco").read_bytes()).hexdigest()
    fresh.snakemake(
        f"{RUN}/eval-090.0/dice.csv",
        "--config",
        *SETTINGS,
        "pretrain={init: moco_v2, epochs: 1}",
        f"downloads={{kvasir_seg: {{url: {address}/images.zip}}, "
        f"moco_v2: {{url: {address}/moco, checksum: 'md5:{md5[:8]}'}}}}",
    )
    backbone = torch.load(fresh.folder / "results/backbones/resnet50-moco_v2.pt")["encoder"]
    assert all(torch.equal(backbone[key], weights[key]) for key in backbone)
    manifest = read_csv(fresh.folder / "results/data/kvasir/manifest.csv")
    assert len(manifest) == 20
    assert set(manifest["source"]) == {f"images/cju{i}.jpg" for i in range(20)}
    scores = read_csv(fresh.folder / RUN / "eval-090.0/dice.csv")
    assert scores["value"].notna().mean() > 0.9
    log = (fresh.folder / "logs/downloads/kvasir_seg.log").read_text("utf-8")
    assert hashlib.sha256((folder / "images.zip").read_bytes()).hexdigest() in log


@pytest.mark.parametrize("top", ["", "kvasir-seg/Kvasir-SEG/", "Kvasir-SEG/train/"])
def test_images_are_found_wherever_they_lie_in_the_archive(fresh, served, top):
    folder, address = served
    write_images(folder / "images.zip", top)
    source = f"downloads={{kvasir_seg: {{url: {address}/images.zip}}}}"
    manifest = "results/data/kvasir/manifest.csv"
    fresh.snakemake(manifest, "--config", *SETTINGS, source)
    assert read_csv(fresh.folder / manifest)["source"][0] == "images/cju0.jpg"


def test_an_archive_without_images_is_named_and_no_temporary_folder(fresh, served):
    folder, address = served
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.writestr("Kvasir-SEG/pictures/a.jpg", b"")
    source = f"downloads={{kvasir_seg: {{url: {address}/images.zip}}}}"
    target = "results/data/kvasir/manifest.csv"
    done = fresh.snakemake(target, "--config", *SETTINGS, source, check=False)
    said = done.stdout + done.stderr
    inside = "results/downloads/kvasir_seg/Kvasir-SEG"
    assert f"{inside}/images/*.jpg: no file of this pattern; {inside} holds pictures/" in said
    assert "extract it by hand and set `path`" in said
    assert ".extracted-" not in said and "Traceback" not in said


def test_a_wrong_file_stops_before_any_training(fresh, served):
    folder, address = served
    (folder / "moco").write_text("an error page")
    done = fresh.snakemake(
        "results/backbones/resnet50-moco_v2.pt",
        "--config",
        "encoders=[resnet50]",
        "pretrain={init: moco_v2}",
        f"downloads={{moco_v2: {{url: {address}/moco}}}}",
        check=False,
    )
    assert done.returncode != 0
    said = done.stdout + done.stderr
    md5 = hashlib.md5((folder / "moco").read_bytes()).hexdigest()
    assert f"{address}/moco: expected md5:a04e12f8, found md5:{md5}" in said
    assert not list((fresh.folder / "results").rglob("*moco*"))
