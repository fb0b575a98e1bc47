"""What a published folder says of itself: dataset card, citation, and Croissant metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.files import sha256
from gazekit.study import Study
from pipelines.methods import Facts
from pipelines.published_ratings import CODEBOOK, COLUMNS, TABLE, TYPES

_LICENCES = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "mit", "pddl", "apache-2.0")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_TABLES = {"ratings": TABLE, "pictures": "pictures.csv", "quality": "quality.csv"}
_PLACES = {
    "bids": ("`bids/`", "recordings of gaze (BIDS, eye tracking)"),
    "ratings": ("`ratings/`", f"ratings, and their [codebook]({CODEBOOK})"),
    "pictures": ("`pictures/`, `pictures.csv`", "pictures that may travel; of the others hash, licence and source"),
    "quality.csv": ("`quality.csv`", "quality of every recording and eye"),
    "results": ("`results/`", "what was trained and compared"),
    "methods.md": ("`methods.md`, `parameters.json`", "what was done, with the file of every number"),
    "croissant.json": ("`croissant.json`, `CITATION.cff`", "metadata for machines"),
}


def title_of(plan: Study) -> tuple[str, str]:
    """Return the name of a study and what it is, in a sentence."""
    name = plan.bids.name or plan.study.name
    return name, plan.bids.task_description or f"Gaze and ratings of the study {plan.study.name}."


def card(plan: Study, root: Path, facts: Facts, left_out: Sequence[str]) -> str:
    """Write the dataset card: the front matter that hubs read, and sections for people."""
    name, description = title_of(plan)
    about = plan.bids
    sections = {
        "": f"# {name}\n\n{description}",
        "What is in it": "\n".join(["| folder or file | what it is |", "|---|---|", *_contents(root)]),
        "Who is in it": _people(facts),
        "How it was made": "[methods.md](methods.md) tells it, with the file of every number; "
        "[parameters.json](parameters.json) has the settings.",
        "Personal data": "Left out, on purpose:\n\n" + ("\n".join(f"- {text}" for text in left_out) or "- nothing"),
        "Consent and ethics": "; ".join(about.ethics_approvals) or "Not stated: [bids] ethics_approvals says it.",
        "Uses and limits": _LIMITS,
        "Licence": f"Data: {about.licence or 'not stated'}. Pictures: each its own, see [pictures.csv](pictures.csv).",
        "Citation": about.how_to_acknowledge or f"{', '.join(about.authors) or 'The authors'}: {name}. {about.doi}",
    }
    if about.funding:
        sections["Funding"] = "; ".join(about.funding)
    text = "\n\n".join(f"## {heading}\n\n{body}" if heading else body for heading, body in sections.items())
    return f"---\n{_front(plan, root, name)}---\n\n{text}"


_LIMITS = (
    "For research on where people look at pictures and how they judge them. People who took part are no sample of a "
    "population, and what they find beautiful depends on who they are, on the pictures and on the question that was "
    "asked. Gaze can tell more of a person than it seems: do not try to find out who somebody is."
)


def _front(plan: Study, root: Path, name: str) -> str:
    """Write the YAML front matter, every value as JSON, which YAML reads too."""
    licence = plan.bids.licence.lower().replace(" ", "-")
    rows = max((len(pd.read_csv(root / path)) for path in _TABLES.values() if (root / path).is_file()), default=0)
    configs = [{"config_name": key, "data_files": path} for key, path in _TABLES.items() if (root / path).is_file()]
    front: dict[str, Any] = {
        "pretty_name": name,
        "license": next((known for known in _LICENCES if known == licence or known.startswith(f"{licence}-")), "other"),
        "tags": ["eye-tracking", "gaze", "image-aesthetics", "bids"],
        "size_categories": [next((words for most, words in _SIZES if rows < most), "1M<n<10M")],
        "configs": configs,
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in front.items())


def _contents(root: Path) -> list[str]:
    return [f"| {place} | {what} |" for key, (place, what) in _PLACES.items() if (root / key).exists()]


def _people(facts: Facts) -> str:
    sentences = []
    if "participants" in facts.values:
        sentences.append(
            f"{facts.link('participants')} people whose gaze was recorded, in {facts.link('sessions')} sessions."
        )
    if "ratings" in facts.values:
        sentences.append(f"{facts.link('raters')} raters, who gave {facts.link('ratings')} ratings.")
    return " ".join(sentences) + " Names are pseudonyms, those of raters numbered anew."


def citation(plan: Study) -> str:
    """Write ``CITATION.cff``."""
    about = plan.bids
    lines = ["cff-version: 1.2.0", "message: If you use these data, please cite them.", "type: dataset"]
    lines.append(f"title: {json.dumps(about.name or plan.study.name)}")
    lines.append("authors:")
    lines += [f"  - name: {json.dumps(author)}" for author in about.authors or ["the authors of the study"]]
    lines += [f"license: {json.dumps(about.licence)}"] if about.licence else []
    doi = about.doi.removeprefix("https://doi.org/").removeprefix("doi:")
    return "\n".join(lines + ([f"doi: {json.dumps(doi)}"] if doi else []))


def croissant(root: Path, plan: Study) -> dict[str, Any]:
    """Describe a published folder in Croissant 1.1 (MLCommons), with a record set for each table."""
    tables = [path for path in _TABLES.values() if (root / path).is_file()]
    (name, description), about = title_of(plan), plan.bids
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
            "description": COLUMNS.get(str(column), (f"Column {column}", ""))[0],
            "dataType": TYPES.get(table[column].dtype.kind, "sc:Text"),
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
