"""A study as a folder that can be published: BIDS, ratings with a codebook, metadata, pictures by licence, methods."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import ConfigError
from gazekit.core.files import sha256, whole_folder
from gazekit.core.progress import track
from gazekit.core.tables import read_table, write_table
from gazekit.events import data_quality
from gazekit.formats import export_bids
from gazekit.formats.exporting import session_files
from gazekit.gaze import GazeRecording
from gazekit.pictures import Picture, list_pictures
from gazekit.session import Session, open_session
from gazekit.study import Study, read_study
from pipelines.methods import PARAMETERS, Facts, parameters, write_methods

# licences under which a file may travel
_OPEN = re.compile(r"^(cc0|cc-by|cc by|public domain|pddl|mit|bsd|apache|own)", re.IGNORECASE)
_RATING_COLUMNS = {
    "rater": "Rater, numbered anew for publication",
    "image": "Id of the picture",
    "score": "The rating",
    "kind": "main, repeat, practice or check",
    "expected": "What a check asked for",
    "time_ms": "Time from picture to answer, milliseconds",
    "attribute": "What was rated",
    "count": "Number of ratings",
    "mean": "Mean rating",
    "std": "Standard deviation of the ratings",
    "n": "Number of ratings",
}
_TYPES = {"i": "sc:Integer", "f": "sc:Float", "b": "sc:Boolean"}
_README = """# {name}

{description}

| folder or file | what it is |
|---|---|
| `bids/` | recordings of gaze (BIDS, eye tracking) |
| `ratings/` | ratings and their codebook |
| `pictures/`, `pictures.csv` | pictures that may travel; of the others hash, licence and source |
| `quality.csv` | quality of every recording and eye |
| `methods.md`, `parameters.json` | what was done, with the file of every number |
| `croissant.json`, `CITATION.cff` | metadata for machines |

Left out, on purpose:

{left_out}
"""


@dataclass
class Published:
    """What went into the folder, and what was left out."""

    folder: Path
    sessions: int = 0
    pictures: int = 0
    ratings: int = 0
    left_out: list[str] = field(default_factory=list)


def publish(study: str | Path, out: str | Path) -> Published:
    """Write a study as a new folder for publication.

    Parameters
    ----------
    study : str or Path
        The study file: its sessions, ratings and pictures, and ``[bids]`` for authors and licence.
    out : str or Path
        New folder.

    Returns
    -------
    Published
        What went in, and what was left out.

    Raises
    ------
    ConfigError
        The study file is wrong, or names neither sessions nor ratings.
    OutputError
        The folder exists.
    """
    plan, base = read_study(study), Path(study).parent
    sessions = session_files([base / path for path in plan.dataset.sessions]) if plan.dataset.sessions else []
    if not sessions and plan.dataset.ratings is None:
        raise ConfigError(f"{study}: [dataset] names neither sessions nor ratings, so there is nothing to publish")
    done = Published(Path(out), len(sessions))
    with whole_folder(out) as root:
        facts: dict[str, tuple[Any, str]] = {}
        if sessions:
            facts |= _write_sessions(sessions, plan, root)
        if plan.dataset.ratings is not None:
            facts |= _write_ratings(base / plan.dataset.ratings, root, done)
        _write_pictures(plan, base, root, done)
        settings = parameters(plan)
        _write(root / PARAMETERS, json.dumps(settings, indent=1, sort_keys=True, default=str))
        _write(root / "methods.md", write_methods(settings, Facts(facts)))
        _write(root / "CITATION.cff", _citation(plan))
        left_out = "\n".join(f"- {text}" for text in done.left_out) or "- nothing"
        name = plan.bids.name or plan.study.name
        description = plan.bids.task_description or f"Gaze and ratings of the study {plan.study.name}."
        _write(root / "README.md", _README.format(name=name, description=description, left_out=left_out))
        _write(root / "croissant.json", json.dumps(croissant(root, plan, name, description), indent=1))
    return done


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def _write_sessions(files: Iterable[Path], plan: Study, root: Path) -> dict[str, tuple[Any, str]]:
    """Write recordings as BIDS and their quality, and count what the methods tell of them."""
    opened: list[Session] = []
    quality = []

    def each() -> Iterable[Session]:
        for file in track(list(files), "publishing"):
            session = open_session(file)
            table = data_quality(session.recording, session.screen)
            quality.append(table.assign(participant=session.participant, session=session.name))
            yield session
            opened.append(session if not len(session.recording) else _without_samples(session))

    export_bids(each(), root / "bids", name=plan.bids.name or plan.study.name, about=plan.bids)
    table = pd.concat(quality, ignore_index=True)
    write_table(table, root / "quality.csv")
    first = opened[0]
    shown = pd.concat([session.stimuli for session in opened], ignore_index=True)
    people = "bids/participants.tsv"
    events = next((root / "bids").rglob("*_events.json")).relative_to(root).as_posix()
    physio = next((root / "bids").rglob("*_physio.json")).relative_to(root).as_posix()
    size = first.screen
    facts: dict[str, tuple[Any, str]] = {
        "participants": (len({session.participant for session in opened}), people),
        "sessions": (len(opened), people),
        "tracker": (" ".join(filter(None, (first.tracker.kind, first.tracker.model))) or "an eye tracker", physio),
        "rate_hz": (float(table["nominal_rate_hz"].median()), "quality.csv"),
        "screen_px": (f"{size.width_px} x {size.height_px}", events),
        "screen_mm": (f"{size.width_mm:g} x {size.height_mm:g}", events),
        "distance_mm": (size.distance_mm, events),
        "shown_s": (float((shown["offset_us"] - shown["onset_us"]).median()) / 1e6 if len(shown) else 0.0, events),
        "rms_s2s_deg": (float(table["rms_s2s_deg"].mean()), "quality.csv"),
        "loss_percent": (float(table["loss_percent"].mean()), "quality.csv"),
    }
    errors = [v.table["accuracy_deg"] for s in opened for v in s.validations[-1:] if "accuracy_deg" in v.table]
    if errors and pd.concat(errors).notna().any():
        facts["accuracy_deg"] = (float(pd.concat(errors).mean()), physio)
    return facts


def _without_samples(session: Session) -> Session:
    return replace(session, recording=GazeRecording.empty(), streams={})


def _write_ratings(path: Path, root: Path, done: Published) -> dict[str, tuple[Any, str]]:
    """Write ratings without what could tell who gave them, and a codebook."""
    table = read_table(path, ["image"], "table of ratings")
    counts = [name for name in table.columns if re.fullmatch(r"c\d+", str(name))]
    keep = [name for name in table.columns if name in _RATING_COLUMNS or name in counts]
    dropped = [str(name) for name in table.columns if name not in keep]
    if dropped:
        done.left_out.append(
            f"columns of {path.name} that could tell who a rater is, or are free text: {', '.join(dropped)}"
        )
    table = table[keep].copy()
    if "rater" in table:
        codes, names = pd.factorize(table["rater"], sort=True)
        table["rater"] = [f"r{code + 1:04d}" if code >= 0 else "" for code in codes]
        done.left_out.append(f"the ids of {len(names)} raters, who are numbered anew")
    (root / "ratings").mkdir()
    write_table(table, root / "ratings" / "ratings.csv")
    codebook = {
        str(name): {
            "description": _RATING_COLUMNS.get(str(name), f"Number of ratings of {str(name)[1:]}"),
            "type": _TYPES.get(table[name].dtype.kind, "sc:Text"),
            "missing": int(table[name].isna().sum()),
        }
        for name in table.columns
    }
    _write(root / "ratings" / "codebook.json", json.dumps(codebook, indent=1))
    done.ratings = len(table)
    file = "ratings/ratings.csv"
    facts: dict[str, tuple[Any, str]] = {"ratings": (len(table), file), "rated": (table["image"].nunique(), file)}
    facts["raters"] = (table["rater"].nunique() if "rater" in table else "unnamed", file)
    return facts


def _write_pictures(plan: Study, base: Path, root: Path, done: Published) -> None:
    """Copy the pictures whose licence allows it; of the others only what tells which they are."""
    pictures = list_pictures(plan.pictures, base)
    notes = _licences(plan, base)
    rows = []
    for picture in pictures:
        licence, source = notes.get(picture.image, ("", ""))
        travels = bool(_OPEN.match(licence))
        if travels:
            (root / "pictures").mkdir(exist_ok=True)
            shutil.copyfile(picture.file, root / "pictures" / _file_name(picture))
        rows.append((picture.image, sha256(picture.file), licence, source, _file_name(picture) if travels else ""))
        done.pictures += travels
    table = pd.DataFrame(rows, columns=["image", "sha256", "licence", "source", "file"])
    write_table(table, root / "pictures.csv")
    if done.pictures < len(pictures):
        done.left_out.append(
            f"{len(pictures) - done.pictures} of {len(pictures)} pictures, whose licence does not say that they may "
            "travel (column licence of the list of pictures): pictures.csv has their hashes and sources"
        )


def _file_name(picture: Picture) -> str:
    return picture.image if picture.image.endswith(picture.file.suffix) else picture.image + picture.file.suffix


def _licences(plan: Study, base: Path) -> dict[str, tuple[str, str]]:
    if plan.pictures.list is None:
        return {}
    table = read_table(base / plan.pictures.list, ["image"], "picture list")
    empty = pd.Series("", index=table.index)
    columns = (table.get(name, empty).fillna("").astype(str) for name in ("licence", "source"))
    return dict(zip(table["image"].astype(str), zip(*columns, strict=True), strict=True))


def _citation(plan: Study) -> str:
    about = plan.bids
    lines = ["cff-version: 1.2.0", "message: If you use these data, please cite them.", "type: dataset"]
    lines.append(f"title: {json.dumps(about.name or plan.study.name)}")
    lines.append("authors:")
    lines += [f"  - name: {json.dumps(author)}" for author in about.authors or ["the authors of the study"]]
    lines += [f"license: {json.dumps(about.licence)}"] if about.licence else []
    lines += (
        [f"doi: {json.dumps(about.doi.removeprefix('https://doi.org/').removeprefix('doi:'))}"] if about.doi else []
    )
    return "\n".join(lines)


def croissant(root: Path, plan: Study, name: str, description: str) -> dict[str, Any]:
    """Describe a published folder in Croissant 1.1 (MLCommons), with a record set for each table."""
    tables = [path for path in ("ratings/ratings.csv", "pictures.csv", "quality.csv") if (root / path).is_file()]
    about = plan.bids
    document: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "study",
        "description": description,
        "license": about.licence or "not stated",
        "url": about.doi or about.source or "https://example.org/",
        "version": "1.0.0",
        "creator": [{"@type": "sc:Person", "name": author} for author in about.authors],
        "citeAs": about.how_to_acknowledge or f"{', '.join(about.authors)}: {name}",
        "isLiveDataset": False,
        "distribution": [],
        "recordSet": [],
    }
    for path in tables:
        identity = Path(path).stem
        document["distribution"].append(
            {
                "@type": "cr:FileObject",
                "@id": identity,
                "name": identity,
                "contentUrl": path,
                "encodingFormat": "text/csv",
                "sha256": sha256(root / path),
            }
        )
        document["recordSet"].append(_record_set(root / path, identity))
    document["sdVersion"] = f"gazekit {version('gazekit')}"
    return document


def _record_set(path: Path, identity: str) -> dict[str, Any]:
    table = pd.read_csv(path)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{identity}-rows/{column}",
            "name": str(column),
            "description": _RATING_COLUMNS.get(str(column), f"Column {column}"),
            "dataType": _TYPES.get(table[column].dtype.kind, "sc:Text"),
            "source": {"fileObject": {"@id": identity}, "extract": {"column": str(column)}},
        }
        for column in table.columns
    ]
    return {"@type": "cr:RecordSet", "@id": f"{identity}-rows", "name": f"{identity}-rows", "field": fields}


_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
