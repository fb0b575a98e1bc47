"""A commented file of a whole study to begin with, for every kind."""

from __future__ import annotations

from pathlib import Path

from gazekit.core.files import write_text
from pipelines.config import Kind

LABORATORY = """
[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630

[pictures]
list = "pictures.csv"

[tracker]
kind = "simulated"
"""  # the simulated laboratory of the demo and of sample_data
_HEAD = """\
# A whole study of gazekit. Paths are relative to this file. Say what would run, then run it:
#   gazekit run FILE --dry-run
#   gazekit run FILE

[pipeline]
kind = "{kind}"
{places}
out = "results"               # a folder of its own: tables, report, and all that lies between
# title = "..."               # of the report
# note = "..."                # for its first lines, such as that raters are simulated
# tables = [{tables}]
"""
_DATASET = """
[dataset]
cache = 256                   # also keep every picture as a square of so many pixels, for fast training
workers = 4                   # processes
min_ratings = 10              # pictures with fewer are left out
seed = 0                      # of the splits
"""
_TRAINING = """
[training]
models = [{models}]           # see: gazekit models
conditions = [{conditions}]
seeds = 3                     # trainings of every model and condition; or which: [0, 5, 9]
jobs = 1                      # side by side
# cross_validate = 10         # test every picture once, in so many folds, instead of on one split
{scheme}
# after = "ava.toml"          # another study's file, run first, whose networks may be gone on with:
# [training.weights]          # what a model starts from: a file, with {{seed}}, or another study's folder
# nima-mobilenet = "ava-results"

# [comparison]                # see: gazekit compare --help
# primary_contrast = ["human", "original"]   # tested before all others
# margin = 0.05               # differences below it count as none

[training.options]            # see: gazekit train --help
epochs = 30
batch = 32
# size = 224
# the papers' own schedule:
# batch = 64
# optimizer = "sgd"
# lr = 0.01
# schedule = "step"
"""
_PARTS = {
    "gbr": {
        "places": 'study = "study.toml"          # the lab\'s study file: its [dataset] names sessions and ratings',
        "tables": '"paper1-1"',
        "models": '"nima-mobilenet", "residual-attention-56"',
        "conditions": '"original", "human", "synthetic", "centre", "shuffled"',
        "scheme": '# scheme = "default"          # or a list, fold or partition that the study file has',
    },
    "ava": {
        "places": 'folder = "AVA_dataset"        # AVA.txt, tags.txt and aesthetics_image_lists/\n'
        'pictures = "images"           # <image id>.jpg',
        "tables": '"paper2-I", "paper2-III", "paper2-IV", "paper2-VI"',
        "models": '"vgg16", "random-crop-vgg16", "pf-vgg16", "gpf-vgg16", "nima-vgg16"',
        "conditions": '"original"',
        "scheme": 'scheme = "ava"                # the published split; or default, ava1, ava2',
    },
    "photonet": {
        "places": 'counts = "photonet_dataset.txt"   # index, image, number, mean, deviation, counts of 1 to 7\n'
        'pictures = "images"           # <image id>.jpg',
        "tables": '"paper2-VII"',
        "models": '"vgg16", "mtrlcnn", "gpf-vgg16"',
        "conditions": '"original"',
        "scheme": 'scheme = "photonet"           # 15,000 / 1,000 / 1,200 of 17,200, drawn again; or default',
    },
}


def example(kind: Kind) -> str:
    """Return the file's text."""
    parts = {"kind": kind, **_PARTS[kind]}
    dataset = "" if kind == "gbr" else _DATASET  # a lab's study file has its own
    return _HEAD.format(**parts) + dataset + _TRAINING.format(**parts)


def write_example(path: str | Path, kind: Kind) -> None:
    """Write the file; an existing one is never overwritten."""
    write_text(path, example(kind), overwrite=False)
