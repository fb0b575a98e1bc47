"""A study as a folder that can be published: BIDS, ratings with a codebook, metadata, pictures by licence, methods."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError
from gazekit.core.files import sha256, whole_folder
from gazekit.core.progress import track
from gazekit.core.tables import read_table, write_table
from gazekit.events import data_quality
from gazekit.formats import export_bids
from gazekit.formats.exporting import session_files
from gazekit.formats.writing import SUFFIX
from gazekit.gaze import GazeRecording
from gazekit.pictures import Picture, list_pictures, says_where
from gazekit.session import Session, open_session
from gazekit.session.excluding import Exclusions
from gazekit.stats.comparison_folder import COMPARED, CONCLUSION, CONFIG, RESULTS
from gazekit.study import Study, read_study, sessions_of
from pipelines.dataset_card import card, citation, croissant
from pipelines.methods import PARAMETERS, RESULTS_FOLDER, Facts, parameters, results_settings, write_methods
from pipelines.publishable import publishable
from pipelines.published_ratings import database_of, write_ratings

LEDGER = "publications.csv"
# what `gazekit compare` reads beside a dataset: the grid, the ratings by split, each network's predictions
_GROUND = (CONFIG, "registration.json", "registration.log", *(path for path in COMPARED if "synthetic" not in path))
# licences under which a file may travel
_OPEN = re.compile(
    r"(cc0|cc[- ]by)\b.*|(public domain|pddl|mit|bsd|apache|own)"  # "mit Genehmigung von ..." is none
    r"([ ,-]*(licen[cs]e|work|photo(graph)?s?|pictures?|images?|clause|v?\d[\d.]*(?![\d.])))*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class Published:
    """What went into the folder, what was left out, and what is to be looked through."""

    folder: Path
    sessions: int = 0
    pictures: int = 0
    ratings: int = 0
    left_out: list[str] = field(default_factory=list)
    look_through: list[str] = field(default_factory=list)


def publish(
    study: str | Path,
    out: str | Path,
    *,
    database: str | None = None,
    results: str | Path | None = None,
    note: bool = True,
) -> Published:
    """Write a study as a new folder for publication, and note where in ``publications.csv`` beside the study file.

    Parameters
    ----------
    study : str or Path
        The study file: its sessions, ratings and pictures, and ``[bids]`` for authors and licence.
    out : str or Path
        New folder.
    database : str, optional
        Database of the survey, whose ratings are published one by one; by default the one beside the study file.
        Without one the ratings are those that ``[dataset]`` names.
    results : str or Path, optional
        Folder of a comparison (`gazekit.stats.compare`), whose training and statistics the methods tell.
    note : bool
        Note the folder in ``publications.csv``.

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
    places = sessions_of(plan)
    sessions = session_files(places) if plan.dataset.sessions or any(map(_has_sessions, places)) else []
    database = database_of(Path(study), database)
    of_survey = plan.survey is not None and database is not None
    if not sessions and plan.dataset.ratings is None and not of_survey:
        raise ConfigError(
            f"{study}: [dataset] names neither sessions nor ratings, and beside it is no "
            "folder sessions with session files, so there is nothing to publish"
        )
    done = Published(Path(out), len(sessions))
    with whole_folder(out) as root:
        facts: dict[str, tuple[Any, str]] = {}
        if sessions:
            facts |= _write_sessions(sessions, plan, root, done)
        if plan.dataset.ratings is not None or of_survey:
            facts |= write_ratings(plan, base, database, root, done.left_out)
            done.ratings = facts["ratings"][0]
        _write_pictures(plan, base, root, done)
        facts |= _write_exclusions(Path(study), root, done)
        settings = parameters(plan)
        if results is not None:
            settings |= _write_results(Path(results), root)
            words = json.loads((root / RESULTS_FOLDER / CONCLUSION).read_text("utf-8"))
            facts |= {"tested": (words["pictures"], f"{RESULTS_FOLDER}/{CONCLUSION}")} if "pictures" in words else {}
        _write(root / PARAMETERS, json.dumps(settings, indent=1, sort_keys=True, default=str))
        _write(root / "methods.md", write_methods(settings, Facts(facts)))
        _write(root / "CITATION.cff", citation(plan))
        _write(root / "croissant.json", json.dumps(croissant(root, plan), indent=1))
        _write(root / "README.md", card(plan, root, Facts(facts), done.left_out))
    if note:
        _note_publication(Path(study), Path(out))
    return done


def _has_sessions(folder: Path) -> bool:
    return next(folder.rglob(f"*{SUFFIX}"), None) is not None


def _note_publication(study: Path, folder: Path) -> None:
    """Note in the ledger beside the study where it was published: an erasure goes there too."""
    ledger, place = study.resolve().parent / LEDGER, folder.resolve()
    inside = place.is_relative_to(ledger.parent)
    named = place.relative_to(ledger.parent).as_posix() if inside else str(place)
    if any(row["folder"] == named for row in publications(study)):
        return
    is_new = not ledger.exists()
    with open(ledger, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(("published_utc", "folder"))
        writer.writerow((datetime.now(timezone.utc).isoformat(timespec="seconds"), named))


def publications(study: str | Path) -> list[dict[str, str]]:
    """Read where a study was published: published_utc and folder, relative to the study's where it lies in it."""
    ledger = Path(study).resolve().parent / LEDGER
    if not ledger.is_file():
        return []
    with open(ledger, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write_results(folder: Path, root: Path) -> dict[str, dict[str, Any]]:
    """Copy a comparison's tables and what they can be computed from again; return what was trained and compared how."""
    settings = results_settings(folder)
    for pattern in (*RESULTS, *_GROUND):
        for path in sorted(folder.glob(pattern)):
            copy = root / RESULTS_FOLDER / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".json" and pattern in (CONFIG, *COMPARED):  # paths of this machine may name people
                _write(copy, json.dumps(_names_alone(json.loads(path.read_text("utf-8"))), indent=1))
            else:
                shutil.copyfile(path, copy)
    return settings


def _names_alone(value: Any) -> Any:
    """Leave of absolute paths in a document the file's name."""
    if isinstance(value, dict):
        return {name: _names_alone(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_names_alone(part) for part in value]
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name  # knows both kinds of slash
    return value


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def _write_sessions(files: Iterable[Path], plan: Study, root: Path, done: Published) -> dict[str, tuple[Any, str]]:
    """Write recordings as BIDS and their quality, and count what the methods tell of them."""
    opened: list[Session] = []
    quality = []
    taken_out: Counter[str] = Counter()

    def each() -> Iterable[Session]:
        for file in track(list(files), "publishing"):
            session = publishable(open_session(file), taken_out)
            table = data_quality(session.recording, session.screen)
            quality.append(table.assign(participant=session.participant, session=session.name))
            yield session
            opened.append(session if not len(session.recording) else _without_samples(session))

    export_bids(each(), root / "bids", name=plan.bids.name or plan.study.name, about=plan.bids)
    done.left_out += [f"{number} {what}" for what, number in taken_out.items() if number]
    if named := sorted({s.participant for s in opened if not re.search(r"\d", s.participant)}):
        shown = ", ".join(named[:10]) + (f" ... ({len(named)})" if len(named) > 10 else "")
        done.look_through.append(f"bids: people are published under their ids; may these be names? {shown}")
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


def _write_pictures(plan: Study, base: Path, root: Path, done: Published) -> None:
    """Copy the pictures whose licence allows it; of the others only what tells which they are."""
    pictures = list_pictures(plan.pictures, base)
    notes = _licences(plan, base)
    rows = []
    for picture in pictures:
        licence, source = notes.get(picture.image, ("", ""))
        travels = is_open(licence)
        if travels:
            (root / "pictures").mkdir(exist_ok=True)
            shutil.copyfile(picture.file, root / "pictures" / _file_name(picture))
        rows.append((picture.image, sha256(picture.file), licence, source, _file_name(picture) if travels else ""))
        done.pictures += travels
    table = pd.DataFrame(rows, columns=["image", "sha256", "licence", "source", "file"])
    write_table(table, root / "pictures.csv")
    if placed := [
        picture.image for picture, row in zip(pictures, rows, strict=True) if row[-1] and says_where(picture.file)
    ]:
        some = counted(len(placed), "file says", "files say")
        done.look_through.append(
            f"pictures: {some} where it was taken (GPS in EXIF), such as {placed[0]}; may one know?"
        )
    if done.pictures < len(pictures):
        done.left_out.append(
            f"{len(pictures) - done.pictures} of {len(pictures)} pictures, whose licence does not say that they may "
            "travel (column licence of the list of pictures): pictures.csv has their hashes and sources"
        )


def _write_exclusions(study: Path, root: Path, done: Published) -> dict[str, tuple[Any, str]]:
    """Write what was left out of the study, with the reasons; nothing where nothing was."""
    entries = Exclusions.of(study).entries
    if not entries:
        return {}
    names = ("participant", "image", "session", "order", "eye", "reason")
    table = pd.DataFrame([[getattr(entry, name) for name in names] for entry in entries], columns=list(names))
    write_table(table.assign(order=table["order"].where(table["order"] >= 0).astype("Int64")), root / "exclusions.csv")
    done.look_through.append("exclusions.csv: its reasons are published as they were written; may one tell who it is?")
    return {"excluded": (len(entries), "exclusions.csv")}


def is_open(licence: str) -> bool:
    """Tell whether a picture under that licence may travel: the whole text has to name an open one."""
    return _OPEN.fullmatch(licence.strip()) is not None


def _file_name(picture: Picture) -> str:
    return picture.image if picture.image.endswith(picture.file.suffix) else picture.image + picture.file.suffix


def _licences(plan: Study, base: Path) -> dict[str, tuple[str, str]]:
    if plan.pictures.list is None:
        return {}
    table = read_table(base / plan.pictures.list, ["image"], "picture list")
    empty = pd.Series("", index=table.index)
    columns = (table.get(name, empty).fillna("").astype(str) for name in ("licence", "source"))
    return dict(zip(table["image"].astype(str), zip(*columns, strict=True), strict=True))
