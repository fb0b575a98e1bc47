"""The commands of the compatibility test: from a simulated recording to a comparison, in one folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

CONDITIONS = ("original", "human", "centre", "shuffled", "random", "human-removed", "synthetic")
DETECTORS = ("adaptive", "i2mc", "idt", "ivt", "microsaccades")
MASKS = ("rectangle", "patches", "region")
MODEL = "residual-attention-narrow"
SEEDS = (0, 1)
SIGMA = ("--sigma-px", "6")
SCREEN = ("--screen", "1920x1080", "--screen-mm", "527x296", "--distance-mm", "630")
FEW = ("--resamples", "200", "--permutations", "199")


@dataclass(frozen=True)
class Step:
    """One command of gazekit, run in the folder that holds the inputs and what earlier steps made.

    Attributes
    ----------
    name : str
        Name of the step, for the test's id.
    command : tuple of str
        Arguments of ``gazekit``.
    made : tuple of str
        Files and folders that the step writes, relative to the folder.
    printed : str
        File that gets what the command prints; empty: what it prints is not kept.
    alone : bool
        Whether the committed files are all that the step needs, so that it can be run by itself.
    torch : bool
        Whether the step needs torch.
    changed : str
        Why the step's numbers are no longer those of 0.1.0 on purpose; then only the names of files and of columns
        are compared, and there may be more columns.
    """

    name: str
    command: tuple[str, ...]
    made: tuple[str, ...]
    printed: str = ""
    alone: bool = True
    torch: bool = False
    changed: str = ""


_EVENTS = "an event ends one interval after its last sample, cut_start, cut_end, since_onset_ms (issue 14)"
_QUALITY = "trueness, holes and the clock have columns, in a validation too (issue 14)"
_ACCOUNT = "the account of an import is kept in its session (issue 17)"
_MASKS = (
    "masks are searched at full size, hold at least their share, and have one area at every size; hashes of small grey "
    "pictures; maps and pixels have digests (issue 19)"
)
_DIRICHLET = "the Dirichlet interval counts n ratings as n - 1, who agree are not certain (issue 18)"
CHANGED = {
    **{f"attention-{name}": _MASKS for name in ("rectangle", "patches", "region", "removed")},
    **{f"dataset-{name}": _MASKS for name in (*MASKS, "sharded", "whole", "left-out")},
    "compare": "one more ceiling: the score of the true distributions (issue 21)",
    "import-asc": _ACCOUNT,
    "import-csv": _ACCOUNT,
    "report": "its words are others (issue 13), its tables are plain numbers in columns of other names (issue 21)",
    "record-P01": _QUALITY,
    "record-P02": _QUALITY,
    "record-P03": _QUALITY,
    "record-journal": _QUALITY,
    "export-bids": _EVENTS,
    "fixations-adaptive": f"noise of calm periods, drift, merging; {_EVENTS}",
    "fixations-i2mc": _EVENTS,
    "fixations-idt": _EVENTS,
    "fixations-ivt": _EVENTS,
    "fixations-microsaccades": _EVENTS,
    "fixations-imported": _EVENTS,
    "fixations": _EVENTS,
    "quality": _QUALITY,
    "quality-json": _QUALITY,
    "survey-aggregate": _DIRICHLET,
    "survey-aggregate-screened": _DIRICHLET,
    "survey-reliability": "ICC(C,k), the ceiling by variance components, intervals for new pictures (issue 18)",
    "dataset-study": f"its maps are of sessions' fixations: {_EVENTS}",
}

NEW = {"runs/report-tables/gains.csv"}  # files that 0.1.0 did not make: the gain of human masks by picture (issue 21)


def steps() -> list[Step]:
    """Return the steps in their order."""
    every = [*_sessions(), *_gaze(), *_attention(), *_ratings(), *_datasets(), *_networks()]
    return [replace(step, changed=CHANGED.get(step.name, "")) for step in every]


def _sessions() -> list[Step]:
    record = ("--tracker", "simulated", "--fast", "--out", "sessions")
    return [
        *(
            Step(f"record-{person}", ("record", "study.toml", "-p", person, *record), (f"sessions/{person}.gaze.h5",))
            for person in ("P01", "P02", "P03")
        ),
        Step(
            "record-journal",
            ("record", "short.toml", "-p", "P09", *record[:-1], "journal", "--keep-journal"),
            ("journal/P09.gaze.h5",),
        ),
        Step("recover", ("recover", "P08.gaze.journal", "--out", "recovered/P08.gaze.h5"), ("recovered/P08.gaze.h5",)),
        Step("import-asc", ("import", "eyelink.asc", *SCREEN, "--out", "imported"), ("imported/eyelink.gaze.h5",)),
        Step(
            "import-csv",
            ("import", "plain.csv", "--mapping", "mapping.toml", *SCREEN, "--out", "imported"),
            ("imported/plain.gaze.h5",),
        ),
        Step("export-csv", ("export", "recovered", "--format", "csv", "--out", "export/csv"), ("export/csv",)),
        Step(
            "export-bids",
            ("export", "recovered", "--fixations", "ivt", "--name", "compatibility", "--out", "export/bids"),
            ("export/bids",),
        ),
        Step(
            "export-imported",
            ("export", "imported", "--format", "csv", "--out", "export/imported"),
            ("export/imported",),
        ),
    ]


def _gaze() -> list[Step]:
    session = "sessions/P01.gaze.h5"
    return [
        *(
            Step(f"fixations-{name}", _fixations(session, name), (f"gaze/{name}.csv", f"gaze/{name}.saccades.csv"))
            for name in DETECTORS
        ),
        Step(
            "fixations-imported",
            ("fixations", "imported", "--detector", "ivt", "--out", "gaze/imported.csv"),
            ("gaze/imported.csv",),
        ),
        Step(
            "fixations", ("fixations", "sessions", "--out", "all.csv", "--detector", "ivt"), ("all.csv",), alone=False
        ),
        Step("quality", ("quality", session, "--out", "gaze/quality.csv"), ("gaze/quality.csv",)),
        Step("quality-json", ("quality", session, "--json"), ("gaze/quality.json",), printed="gaze/quality.json"),
        Step(
            "aoi",
            ("aoi", "fixations.csv", "areas.json", "--out", "gaze/aoi.csv", "--transitions", "gaze/steps.csv"),
            ("gaze/aoi.csv", "gaze/steps.csv"),
        ),
    ]


def _fixations(session: str, detector: str) -> tuple[str, ...]:
    out = ("--out", f"gaze/{detector}.csv", "--saccades", f"gaze/{detector}.saccades.csv")
    return ("fixations", session, "--detector", detector, *out)


def _attention() -> list[Step]:
    start = ("attention", "fixations.csv", "--pictures", "pictures.csv", *SIGMA)
    options = {
        "rectangle": ("--mask", "rectangle"),
        "patches": ("--mask", "patches", "--fill", "blur", "--by", "participant"),
        "region": ("--mask", "region", "--fill", "mean", "--soft-px", "3", "--by", "leave-one-out"),
        "removed": ("--mask", "rectangle", "--remove", "--share", "0.3", "--share-of", "area", "--weight", "count"),
    }
    return [
        Step(f"attention-{name}", (*start, *chosen, "--out", f"attention/{name}"), (f"attention/{name}",))
        for name, chosen in options.items()
    ]


def _ratings() -> list[Step]:
    return [
        Step(
            "survey-simulate",
            ("survey", "simulate", "study.toml", "--database-url", "new.db", "--json"),
            ("new.db", "survey/simulated.json"),
            printed="survey/simulated.json",
        ),
        Step(
            "survey-export",
            (
                "survey",
                "export",
                "study.toml",
                "--database-url",
                "survey.db",
                "--practice",
                "--out",
                "survey/ratings.csv",
            ),
            ("survey/ratings.csv",),
        ),
        Step(
            "survey-screen", ("survey", "screen", "ratings.csv", "--out", "survey/screen.csv"), ("survey/screen.csv",)
        ),
        Step(
            "survey-reliability",
            ("survey", "reliability", "ratings.csv", "--json"),
            ("survey/reliability.json",),
            printed="survey/reliability.json",
        ),
        Step(
            "survey-aggregate",
            ("survey", "aggregate", "ratings.csv", "--joint", "--out", "survey/histograms.csv"),
            ("survey/histograms.csv",),
        ),
        Step(
            "survey-aggregate-screened",
            ("survey", "aggregate", "ratings.csv", "--screen", "--out", "survey/screened.csv"),
            ("survey/screened.csv",),
        ),
        Step(
            "survey-import",
            ("survey", "import", "wide.csv", "--layout", "wide", "--scale", "7", "--out", "survey/wide.csv"),
            ("survey/wide.csv",),
        ),
    ]


def _datasets() -> list[Step]:
    made = (*SIGMA, "--min-ratings", "5")
    tables = (*made, "--fixations", "fixations.csv", "--ratings", "histograms.csv")
    few = ("build-dataset", "--pictures", "few.csv", *made)
    few += ("--fixations", "few_fixations.csv", "--ratings", "few_histograms.csv")
    schemes = ("--categories", "categories.csv", "--groups", "groups.csv", "--list", "fixed=fixed.csv", "--folds", "3")
    whole = ("build-dataset", "--pictures", "pictures.csv", *tables, "--split", "0.4,0.2,0.4", *schemes)
    out = "datasets/{}.dataset.h5".format
    export = ("--condition", "human", "--condition", "centre", "--fill", "blur", "--soft-px", "2")
    rectangle, exported = out("rectangle"), "export/pictures"
    return [
        Step("dataset-rectangle", (*whole, "--out", rectangle), (rectangle,)),
        Step("dataset-patches", (*few, "--mask", "patches", "--shard", "3", "--out", out("patches")), both("patches")),
        Step("dataset-region", (*few, "--mask", "region", "--shard", "4", "--out", out("region")), both("region")),
        Step("dataset-sharded", (*few, "--shard", "2", "--cache", "16", "--out", out("sharded")), both("sharded")),
        Step("dataset-whole", (*few, "--mask", "region", "--seed", "3", "--out", out("whole")), (out("whole"),)),
        Step(
            "dataset-left-out",
            (*whole, "--condition", "original", "--condition", "human", "--share-of", "area", "--out", out("left_out")),
            (out("left_out"),),
        ),
        Step("dataset-study", ("build-dataset", "dataset.toml"), (out("study"),)),
        Step(
            "dataset-subset", ("dataset", "subset", rectangle, "--split", "test", "--out", out("test")), (out("test"),)
        ),
        Step(
            "dataset-subset-train",
            ("dataset", "subset", rectangle, "--split", "train", "--out", out("train")),
            (out("train"),),
        ),
        Step(
            "dataset-merge",
            ("dataset", "merge", out("train"), out("test"), "--seed", "2", "--out", out("merged")),
            (out("merged"),),
            alone=False,
        ),
        Step(
            "dataset-info",
            ("dataset", "info", rectangle, "--json"),
            ("datasets/info.json",),
            printed="datasets/info.json",
        ),
        Step(
            "dataset-export",
            ("dataset", "export", out("region"), "--out", "export/folder", *export),
            ("export/folder",),
        ),
        Step(
            "dataset-tar", ("dataset", "export", out("patches"), "--out", "export/few.tar"), ("export/few-000000.tar",)
        ),
        Step("export-images", ("export-images", rectangle, "--out", exported, "--limit", "3"), (exported,)),
        Step(
            "export-squares",
            ("export-images", out("sharded"), "--out", "export/squares", "--size", "24", "--fill", "foveated"),
            ("export/squares",),
        ),
    ]


def both(name: str) -> tuple[str, str]:
    """Return the index of a dataset in shards, and the folder of its shards."""
    return f"datasets/{name}.dataset.h5", f"datasets/{name}.dataset.h5.shards"


def _networks() -> list[Step]:
    recipe = ("--epochs", "1", "--size", "32", "--batch", "4", "--threads", "1", "--seeds", str(len(SEEDS)))
    grid = [part for name in CONDITIONS for part in ("--condition", name)]
    train = ("train", "datasets/rectangle.dataset.h5", "--out", "runs", "--model", MODEL, *recipe, *grid)
    score = ("score", f"runs/runs/{MODEL}/original/seed0", "pictures", "--precision", "float32")
    compare = ("compare", "runs", *FEW)
    shown = ("--condition", "synthetic", "--run", "runs", "--limit", "3")
    synthetic = ("export-images", "datasets/rectangle.dataset.h5", "--out", "export/synthetic", *shown)
    tables = tuple(f"runs/{name}" for name in ("comparison.csv", "paired.csv", "agreement.csv", "conclusion.json"))
    return [
        Step("train", (*train, "--no-compare"), ("runs",), alone=False, torch=True),
        Step("compare", (*compare, "--categories", "categories.csv"), (*tables, "runs/categories.csv")),
        Step("report", ("report", "runs", "--title", "Compatibility"), ("runs/report-tables", "runs/report.html")),
        Step("score", (*score, "--out", "scores.csv"), ("scores.csv",), torch=True),
        Step("export-synthetic", synthetic, ("export/synthetic",), torch=True),
    ]
