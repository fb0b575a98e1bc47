"""Write the reference from the product itself: commands, keys, files, messages, rooms.

Each function returns the Markdown of one page; `write_all` writes them into ``docs/reference/generated``.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "reference" / "generated"
PACKAGES = ("gazekit", "survey", "pipelines")

# ---------------------------------------------------------------- comments beside code


def remarks(source: str) -> dict[str, str]:
    """Return the comment beside each field or text of a piece of code, by the name or text."""
    beside: dict[str, str] = {}
    first: dict[int, str] = {}
    last = ""
    for token in tokenize.generate_tokens(io.StringIO(textwrap.dedent(source)).readline):
        line = token.start[0]
        if token.type in (tokenize.NAME, tokenize.STRING) and line not in first:
            first[line] = token.string.strip("'\"")
        elif token.type == tokenize.OP and token.string == ":" and first.get(line):
            last = first[line]
        elif token.type == tokenize.COMMENT:
            name = first.get(line, "")
            beside[name if name and name not in (")", "]") else last] = token.string.lstrip("#: ")
    return beside


# ---------------------------------------------------------------- keys of a study file


def kind_in_words(kind: Any) -> str:
    """Say a type as somebody who writes TOML would."""
    if get_origin(kind) is Annotated:
        return kind_in_words(get_args(kind)[0])
    if get_origin(kind) in (types.UnionType, typing.Union):
        parts = [kind_in_words(part) for part in get_args(kind) if part is not types.NoneType]
        return " or ".join(dict.fromkeys(parts))
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value!r}`".replace("'", '"') for value in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {kind_in_words(get_args(kind)[0])}"
    if get_origin(kind) is tuple:
        inner = [kind_in_words(part) for part in get_args(kind) if part is not Ellipsis]
        return f"list of {inner[0]}" if Ellipsis in get_args(kind) else f"[{', '.join(inner)}]"
    if get_origin(kind) is dict:
        return "table"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"section of {kind.__name__}"
    names = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "path"}
    return names.get(kind, getattr(kind, "__name__", "any"))


def limits_in_words(metadata: list[Any]) -> str:
    """Say the limits of a field."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "at least", "max_length": "at most"}
    parts = []
    for rule in metadata:
        for name, sign in signs.items():
            value = getattr(rule, name, None)
            if value is not None:
                parts.append(f"{sign} {value}" + (" long" if "length" in name else ""))
    return ", ".join(parts)


def default_in_words(field: FieldInfo) -> str:
    """Say what stands when the key is absent."""
    if field.is_required():
        return "**must be given**"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "absent"
    if isinstance(value, BaseModel) or value is PydanticUndefined:
        return "the section's own"
    text = str(value).replace("\\", "/") if isinstance(value, Path) else repr(value)
    text = {"True": "true", "False": "false"}.get(text, text.replace("'", '"'))
    return f"`{text}`" if len(text) <= 60 else "a text, see `gazekit study new`"


def more_meanings() -> dict[str, dict[str, str]]:
    """Read what stands in ``meanings.toml``, by section."""
    from gazekit.core.config import read_toml

    return read_toml(Path(__file__).with_name("meanings.toml"))


def meaning(place: str, model: type[BaseModel], name: str, field: FieldInfo) -> str:
    """Return what a key means: its description, the comment beside it in the code, or ``meanings.toml``."""
    if field.description:
        return field.description
    for base in model.__mro__:
        if name in vars(base).get("__annotations__", {}):
            beside = remarks(inspect.getsource(base)).get(name, "")
            if beside:
                return beside
    written = more_meanings()
    places = (place.strip("[]"), *(base.__name__ for base in model.__mro__))
    return next((written[part][name] for part in places if name in written.get(part, {})), "")


def inner_model(kind: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, or holds a list of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next((model for part in get_args(kind) if (model := inner_model(part)) is not None), None)


def sections(model: type[BaseModel], place: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Go through a file's sections, by the name that stands in the file: ``[study]``, ``[[survey.questions]]``."""
    for name, field in model.model_fields.items():
        inner = inner_model(field.annotation)
        if inner is not None:
            path = f"{place}{name}"
            yield (f"[[{path}]]" if "list[" in str(field.annotation) else f"[{path}]"), inner
            yield from sections(inner, f"{path}.")


def _cell(text: str) -> str:
    text = text if "`" in text or "\\<" in text else text.replace("<", "\\<").replace(">", "\\>")
    return " ".join(text.replace("|", "\\|").split())


def keys_of(place: str, model: type[BaseModel]) -> str:
    """Write the keys of a section as a table."""
    lines = ["| key | kind | when absent | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if inner_model(field.annotation) is None:
            kind = ", ".join(filter(None, (kind_in_words(field.annotation), limits_in_words(field.metadata))))
            cells = f"`{name}`", kind, default_in_words(field), meaning(place, model, name, field)
            lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def file_page(model: type[BaseModel], title: str, before: str) -> str:
    """Write all sections of a settings file."""
    parts = [f"# {title}", before]
    for heading, section in sections(model):
        doc = inspect.cleandoc(section.__doc__ or "").replace("``", "`")
        parts += [f"## `{heading}`", doc, keys_of(heading, section)]
    return "\n\n".join(filter(None, parts)) + "\n"


def study_page() -> str:
    """Write `study.toml` key by key."""
    from gazekit.study import Study

    return file_page(
        Study,
        "`study.toml`, key by key",
        "One file for a whole study. `gazekit study new study.toml` writes a commented one, `gazekit study check` "
        "finds every fault at once. Paths are relative to the file. This page is made from the models that check it.",
    )


def pipeline_page() -> str:
    """Write the file of `gazekit run` key by key."""
    from pipelines.config import Pipeline

    return file_page(
        Pipeline,
        "The file of `gazekit run`, key by key",
        "What `gazekit run` takes; `gazekit run FILE --new gbr` (or `ava`, `photonet`) writes a commented one. "
        "This page is made from the models that check it.",
    )


# ---------------------------------------------------------------- files


def columns_of(values: Mapping[str, str] | tuple[str, ...], source: str = "") -> str:
    """Write a table's columns; what they mean is the comment beside each in the code."""
    beside = remarks(source) if source else {}
    pairs = values.items() if isinstance(values, Mapping) else [(name, beside.get(name, "")) for name in values]
    lines = ["| column | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {_cell(text)} |" for name, text in pairs])


def _constant(module: Any, name: str) -> str:
    """Return the code of a constant of a module."""
    source = inspect.getsource(module)
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.get_source_segment(source, node) or ""
    return ""


def tree_of(path: Path) -> str:
    """Draw what an HDF5 file holds."""
    import h5py

    lines = []

    def show(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            kind = "text" if item.dtype.kind == "O" else str(item.dtype)
            lines.append(f"/{name:<46} {'×'.join(map(str, item.shape)) or 'one':>12}  {kind}")
        else:
            lines.append(f"/{name}")
        lines.extend(f"    @{key}" for key in sorted(item.attrs) if isinstance(item, h5py.Group))

    with h5py.File(path, "r") as file:
        lines.append("/")
        lines.extend(f"    @{key}" for key in sorted(file.attrs))
        file.visititems(show)
    return "\n".join(lines)


def sample_dataset(folder: Path) -> Path:
    """Build the dataset of `sample_data/comparison`."""
    import gazekit as gk
    from gazekit.attention.fixation_io import read_fixations

    data = ROOT / "sample_data" / "comparison"
    out = folder / "sample.dataset.h5"
    gk.build_dataset(
        gk.list_pictures(data / "pictures"),
        read_fixations(data / "fixations.csv"),
        gk.read_histograms(data / "histograms.csv"),
        out,
        gk.DatasetSpec(split=(0.6, 0.2, 0.2)),
    )
    return out


def files_page() -> str:
    """Write what each kind of file holds."""
    import tempfile
    from importlib import import_module

    tables, journal = import_module("gazekit.core.tables"), import_module("gazekit.session.journal")
    quality, session_quality, saccades = (
        import_module(f"gazekit.events.{name}") for name in ("quality", "session_quality", "saccades")
    )
    codebook = import_module("gazekit.measures.codebook")

    with tempfile.TemporaryDirectory() as folder:
        dataset = tree_of(sample_dataset(Path(folder)))
    quality_source = (
        _constant(quality, "QUALITY_COLUMNS") + "\n" + _constant(session_quality, "SESSION_QUALITY_COLUMNS")
    )
    units = codebook._OF_KEYS | codebook._OF_MEASURES
    measures = {name: f"{meaning} ({unit})" if unit else meaning for name, (unit, meaning) in units.items()}
    return f"""# Files and tables

Units are in the names: `_us` microseconds (int64), `_ms` milliseconds, `_px` pixels, `_mm` millimetres, `_deg` degrees
of visual angle. Missing is NaN or an empty cell, never 0. This page is made from the code and from `sample_data`.

## Session file (`*.gaze.h5`)

`gk.open_session` reads it; the SHA-256 of its content lies in the HDF5 user block and is checked on opening. The one
below is `sample_data/sessions/P01.gaze.h5`; `@` is an attribute.

```text
{tree_of(ROOT / "sample_data" / "sessions" / "P01.gaze.h5")}
```

## Journal (`*.gaze.journal`)

{inspect.cleandoc(journal.__doc__ or "").replace("``", "`")}

## Fixation table

Written by `gazekit fixations`; CSV or Parquet with its provenance beside it (`<name>.json`).

{columns_of(tables.FIXATION_COLUMNS, _constant(tables, "FIXATION_COLUMNS"))}

## Saccade table

{columns_of(saccades.SACCADE_COLUMNS, _constant(saccades, "SACCADE_COLUMNS"))}

## Quality table

{columns_of(session_quality.SESSION_QUALITY_COLUMNS, quality_source)}

## Table of measures

`gazekit measures` writes this codebook beside every table it makes.

{columns_of(measures)}

## Histogram table

`image`, `n` (ratings), `c1` to `cK` (counts of the scores 1 to K), `mean`, `std`; `gazekit survey aggregate` adds
intervals, smoothed shares and flags, as its help says.

## Dataset file (`*.dataset.h5`)

`gk.open_dataset` reads it. The one below is built from `sample_data/comparison`.

```text
{dataset}
```

## Survey database

SQLite or PostgreSQL; `gazekit survey export` and `backup` are the ways out of it.

{survey_tables()}
"""


def survey_tables() -> str:
    """Write the survey's tables, with the comments that stand in the code."""
    from survey import schema

    source = inspect.getsource(schema)
    parts = [inspect.cleandoc(schema.__doc__ or "")]
    for table in schema.metadata.sorted_tables:
        beside = {}
        for line in (_constant(schema, table.name) or source).splitlines():
            if "Column(" in line and "#" in line:
                beside[line.split('"')[1]] = line.split("#", 1)[1].strip()
        rows = [
            f"| `{column.name}` | {column.type} | {_cell(beside.get(column.name, ''))} |" for column in table.columns
        ]
        parts += [f"### `{table.name}`", "\n".join(["| column | type | remark |", "|---|---|---|", *rows])]
    return "\n\n".join(parts)


# ---------------------------------------------------------------- messages


def _text_of(node: ast.expr) -> str:
    """Return a text as it stands in the code, with {...} where a value comes in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text_of(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text_of(node.left) + _text_of(node.right)
    return ""


def error_messages() -> Iterator[tuple[str, str, str]]:
    """Go through the messages of errors on purpose: module, kind of error, text."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args):
                    continue
                name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                text = _text_of(node.exc.args[0])
                if name.endswith(("Error", "Exception")) and len(text.replace("…", "").strip()) > 8:
                    yield module, name, text


def messages_page() -> str:
    """Write what the program can say when it stops, and what participants read."""
    from gazekit.core import errors
    from gazekit.core.messages import catalogue, languages

    rooms: dict[str, list[str]] = {}
    for module, name, text in error_messages():
        room = ".".join(module.split(".")[:2])
        rooms.setdefault(room, []).append(f"| {_cell(_plain(text))} | `{name}` |")
    parts = [
        "# Messages",
        "Every error on purpose, by room; … stands for what was found. Search this page for the words of a message. A "
        "message says what was found, what was expected and what to do. All are `gazekit.errors.GazekitError`:",
        "```text\n" + inspect.cleandoc(errors.__doc__ or "") + "\n```",
    ]
    for room, rows in sorted(rooms.items()):
        parts += [f"## {room}", "\n".join(["| message | error |", "|---|---|", *sorted(set(rows))])]
    english = catalogue("en")
    texts = [f"| `{key}` | {_cell(_plain(text))} |" for key, text in sorted(english.texts.items())]
    parts += [
        "## What participants and raters read",
        f"Languages: {', '.join(sorted(languages()))}. A study brings others, or other words, by `[study] messages`.",
        "\n".join(["| key | English |", "|---|---|", *texts]),
    ]
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Keep Markdown from reading signs of a message as its own."""
    for sign in "\\`*_<>[]{}$":
        text = text.replace(sign, "\\" + sign)
    return text


# ---------------------------------------------------------------- commands and rooms


def command_page(name: str) -> str:
    """Write the page of one command, which sphinx-click fills."""
    module = name.replace("-", "_")
    directive = f".. click:: gazekit.cli.{module}_:command\n   :prog: gazekit {name}\n   :nested: full"
    return f"```{{eval-rst}}\n{directive}\n```\n"


def commands_index() -> str:
    """Write the list of commands."""
    from gazekit.cli import COMMANDS

    rows = [f"| [`gazekit {name}`](commands/{name}.md) | {_cell(text)} |" for name, text in COMMANDS.items()]
    tree = "\n".join(f"commands/{name}" for name in COMMANDS)
    table = "\n".join(["| command | |", "|---|---|", *rows])
    return (
        "# Commands\n\nEvery command and option, from the program's own help. Exit codes: 0 done, 1 failed, 2 wrong "
        f"usage, 130 stopped.\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"
    )


def rooms_of_the_house() -> Iterator[tuple[str, Path]]:
    """Go through the packages and modules on the first level: dotted name, path."""
    for path in sorted((ROOT / "gazekit").iterdir()):
        if (path / "__init__.py").is_file() and path.name != "cli":
            yield f"gazekit.{path.name}", path
    yield "survey", ROOT / "survey"
    yield "pipelines", ROOT / "pipelines"


def first_line(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split()).replace("``", "`")


def room_page(name: str, path: Path) -> str:
    """Write the page of a room: what it makes public, then its modules."""
    from importlib import import_module

    import gazekit

    modules = [file for file in sorted(path.rglob("*.py")) if file.name != "__init__.py"]
    rows = [
        f"| `{'.'.join(file.relative_to(ROOT).with_suffix('').parts)}` | {_cell(first_line(file))} |"
        for file in modules
    ]
    flat = [public for public in gazekit.__all__ if public in getattr(import_module(name), "__all__", ())]
    excluded = f"\n   :exclude-members: {', '.join(flat)}" if flat else ""
    public = f".. automodule:: {name}\n   :members:{excluded}"
    also = (
        f"In [the flat namespace](../namespace.md): {', '.join(f'`gk.{part}`' for part in flat)}.\n\n" if flat else ""
    )
    table = "\n".join(["| module | |", "|---|---|", *rows])
    return f"# {name}\n\n```{{eval-rst}}\n{public}\n```\n\n{also}## Modules\n\n{table}\n"


def namespace_page() -> str:
    """Write the flat namespace: one entry for each name of `gazekit.__all__`."""
    import gazekit

    modules = {name: home for name, home in gazekit._MODULES.items() if name in gazekit.__all__}
    names = [name for name in gazekit.__all__ if name not in modules]
    listed = "\n   ".join(f"gazekit.{name}" for name in names)
    rows = "\n".join(f"| `gk.{name}` | {_cell(first_line(_file_of(home)))} |" for name, home in modules.items())
    return f"""# The flat namespace

`import gazekit as gk`. A name is loaded when it is first touched, so that the import is light.

```{{eval-rst}}
.. autosummary::
   :toctree: names
   :nosignatures:

   {listed}
```

| module | |
|---|---|
{rows}
"""


def _file_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def rooms_index() -> str:
    """Write the list of rooms."""
    rooms = list(rooms_of_the_house())
    rows = [f"| [{name}](rooms/{name}.md) | {_cell(first_line(path / '__init__.py'))} |" for name, path in rooms]
    tree = "\n".join(f"rooms/{name}" for name, _ in rooms)
    table = "\n".join(["| room | |", "|---|---|", *rows])
    return f"# Rooms\n\n{table}\n\n```{{toctree}}\n:hidden:\n\n{tree}\n```\n"


# ---------------------------------------------------------------- all of it


def pages() -> dict[str, str]:
    """Return every generated page, by its path below ``reference/generated``."""
    from gazekit.cli import COMMANDS

    return {
        "study.md": study_page(),
        "pipeline.md": pipeline_page(),
        "files.md": files_page(),
        "messages.md": messages_page(),
        "namespace.md": namespace_page(),
        "commands.md": commands_index(),
        **{f"commands/{name}.md": command_page(name) for name in COMMANDS},
        "rooms.md": rooms_index(),
        **{f"rooms/{name}.md": room_page(name, path) for name, path in rooms_of_the_house()},
    }


def write_all(out: Path = OUT) -> None:
    """Write the pages that changed, and take away those that are no more."""
    made = pages()
    for path in out.rglob("*.md"):
        if path.relative_to(out).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        path = out / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
