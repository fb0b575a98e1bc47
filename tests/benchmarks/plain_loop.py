"""The loop that everybody writes, one picture at a time; what ``gazekit score`` is held against.

python -m tests.benchmarks.plain_loop MODEL FOLDER: scores the folder, and prints pictures a second without the start.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from PIL import Image

from gazekit.training.load_model import load_trained


def plain_loop(model: Path, files: list[Path]) -> float:
    """Score the files; pictures a second."""
    network = load_trained(model).network
    from torchvision import transforms  # after gazekit.models, which mends its operators

    look = transforms.Compose(
        [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize(network.mean, network.std)]
    )
    start = time.perf_counter()
    with torch.no_grad():
        for file in files:
            try:
                with Image.open(file) as picture:
                    network(look(picture.convert("RGB"))[None])
            except (OSError, ValueError, SyntaxError):
                continue
    return len(files) / (time.perf_counter() - start)


if __name__ == "__main__":
    print(plain_loop(Path(sys.argv[1]), sorted(Path(sys.argv[2]).iterdir())))
