"""``gazekit attention-model``: where people would look in pictures that nobody looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._selection import chosen_exclusions, exclusion_options, renames
from gazekit.core.counting import counted

if TYPE_CHECKING:
    from gazekit.models.gaze_readout import AttentionModel


@click.group("attention-model")
def command() -> None:
    """Predict where people look: fit to the fixations of a lab, apply to other pictures.

    \b
    Examples:
      gazekit attention-model fit fixations.csv --pictures stimuli --weights lite0.pth --out gaze.model
      gazekit attention-model apply gaze.model pictures --out predicted
    """


@command.command("fit")
@click.argument("fixations", type=click.Path(path_type=Path))
@click.option("--pictures", type=click.Path(path_type=Path),
              help="Folder of pictures, or a CSV list; of a dataset: its own.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write, as gaze.model.")
@click.option("--model", default="timm:tf_efficientnet_lite0", show_default=True, help="Convolutional network of timm.")
@click.option("--weights", required=True, help="Its weights: a file, or timm to fetch timm's own.")
@click.option("--size", "longer", default=640, show_default=True, type=click.IntRange(64, 4096),
              help="Longer side at which the network sees pictures; px.")  # fmt: skip
@click.option("--folds", default=10, show_default=True, type=click.IntRange(2), help="Parts for the cross-validation.")
@click.option("--sigma-px", type=click.FloatRange(0, min_open=True), help="Sigma of people's maps; px.  [1 degree]")
@click.option("--one-based", is_flag=True, help="Fixations count pixels from 1 (Matlab).")
@click.option("--rename", multiple=True, metavar="OLD=NEW",
              help="Rename a column, e.g. who=participant; y=y_from_bottom where y counts upwards.")  # fmt: skip
@exclusion_options
@click.option("--maps", type=click.Path(path_type=Path),
              help="Folder for maps of the looked-at pictures, made out of fold.  [none]")  # fmt: skip
@click.option("--learning-curve", "curve", is_flag=True,
              help="Also fit to fewer pictures and viewers: OUT.curve.csv tells how many a lab needs.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the folds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fit(
    fixations: Path,
    pictures: Path | None,
    out: Path,
    model: str,
    weights: str,
    longer: int,
    folds: int,
    sigma_px: float | None,
    one_based: bool,
    rename: tuple[str, ...],
    maps: Path | None,
    seed: int,
    curve: bool,
    as_json: bool,
    **left_out: Any,
) -> None:
    """Fit a read-out of a frozen network to FIXATIONS, and say what it is worth.

    FIXATIONS is a table as `gazekit fixations` writes it, or as `gazekit attention` takes it; or a dataset
    (.dataset.h5), which has pictures and fixations. Every picture is
    predicted by a fit that has not seen it; from that comes what the model is worth in viewers: so many people's
    fixations would predict the others' as well. Beside OUT lies OUT.json with the figures.

    \b
    Examples:
      gazekit attention-model fit fixations.csv --pictures stimuli --weights lite0.pth --out gaze.model
      gazekit attention-model fit fixations.csv --pictures stimuli --weights lite0.pth --out gaze.model --maps seen
      gazekit attention-model fit study.dataset.h5 --weights lite0.pth --learning-curve --out gaze.model
      gazekit attention-model fit osie.csv --pictures osie --weights timm --sigma-px 24 --one-based --out gaze.model
    """
    import pandas as pd

    from gazekit.core.errors import OutputError
    from gazekit.core.files import whole_file, write_text
    from gazekit.core.tables import write_table

    if maps is not None and maps.exists() and not maps.is_dir():
        raise OutputError(f"{maps} is no folder, and maps are written into one; give --maps another name")
    common: dict[str, Any] = {"model": model, "weights": weights, "longer": longer, "folds": folds, "seed": seed}
    common |= {"maps": maps, "curve": curve}
    told = one_based or bool(rename) or left_out["exclusions"] is not None or left_out["with_excluded"]
    with whole_file(out) as temporary:
        temporary.touch()  # where nothing can be written, that is said before the work
        if fixations.suffix.lower() in (".h5", ".hdf5"):
            attention = _of_dataset(fixations, pictures, sigma_px, told, common)
        else:
            exclusions = chosen_exclusions(left_out, fixations)
            attention = _of_table(fixations, pictures, sigma_px, one_based, rename, exclusions, common)
            attention.facts = dict(attention.facts) | exclusions.parameters()
        facts = dict(attention.facts)
        points = facts.pop("curve", None)
        attention.facts = facts
        attention.save(temporary)
    write_text(Path(f"{out}.json"), json.dumps(facts, indent=1) + "\n")
    if points is not None:
        write_table(pd.DataFrame(points), Path(f"{out}.curve.csv"))
    if as_json:
        click.echo(json.dumps(facts | ({"curve": points} if points else {})))
        return
    for line in [*_sentences(facts), *_curve(points or [])]:
        click.echo(line)


def _of_dataset(
    dataset: Path, pictures: Path | None, sigma_px: float | None, told: bool, common: dict[str, Any]
) -> AttentionModel:
    from gazekit.core.errors import ConfigError
    from gazekit.dataset import open_dataset
    from gazekit.models.attention_study import fit_to_viewings

    if pictures is not None or sigma_px is not None or told:
        raise ConfigError(
            f"{dataset} has its own pictures, sigma and fixations; leave --pictures, --sigma-px, --one-based,"
            " --rename, --exclusions and --with-excluded out"
        )
    data = open_dataset(dataset)
    looks = {image: data.viewing(i) for i, image in enumerate(data.ids)}
    looks = {image: look for image, look in looks.items() if look.inside.any()}
    rows = {image: data.index(image) for image in looks}
    return fit_to_viewings(
        looks,
        ((image, data.picture(i)) for image, i in rows.items()),
        content={image: data.sha256_of(i) for image, i in rows.items()},
        groups={image: int(data.groups[i]) for image, i in rows.items()},
        **common,
    )


def _of_table(
    fixations: Path,
    pictures: Path | None,
    sigma_px: float | None,
    one_based: bool,
    rename: tuple[str, ...],
    exclusions: Any,
    common: dict[str, Any],
) -> AttentionModel:
    from gazekit.cli._recordings import read_any_fixations
    from gazekit.core.errors import ConfigError
    from gazekit.models.attention_study import fit_attention_model
    from gazekit.pictures import list_pictures

    if pictures is None:
        raise ConfigError("where are the pictures? give --pictures FOLDER (or a CSV list), or a dataset for FIXATIONS")
    table = read_any_fixations(fixations, rename=renames(rename), one_based=one_based)
    table = exclusions.of_fixations(table, fixations)
    exclusions.tell()
    return fit_attention_model(table, list_pictures(pictures), sigma_px=sigma_px, **common)


def _curve(points: list[dict[str, float]]) -> list[str]:
    lines = [
        f"  {p['pictures']:4.0f} pictures, {p['viewers']:2.0f} viewers each: worth {p['worth']:.2f}"
        f" [{p['worth_low']:.2f}, {p['worth_high']:.2f}] viewers, {p['bits']:.2f} bits, {p['explained']:.0%} explained"
        for p in points
    ]
    return ["fitted to fewer, on the same other pictures:", *lines, *_enough(points)] if lines else []


def _enough(points: list[dict[str, float]]) -> list[str]:
    """Say with how few pictures, and viewers of each, nine tenths of the bits of all are there."""
    pictures, viewers = (max(point[name] for point in points) for name in ("pictures", "viewers"))
    whole = max(p["bits"] for p in points if p["pictures"] == pictures and p["viewers"] == viewers)
    if whole <= 0:
        return ["  so many pictures do not yet predict more than the centre bias: more are needed"]
    reach = [point for point in points if point["bits"] >= 0.9 * whole]
    few = min(point["pictures"] for point in reach if point["viewers"] == viewers)
    people = min(point["viewers"] for point in reach if point["pictures"] == pictures)
    return [
        f"  nine tenths of the bits of {pictures:.0f} pictures with {viewers:.0f} viewers come with {few:.0f} pictures,"
        f" or with {people:.0f} viewers of each" + ("; more pictures would still help" if few == pictures else "")
    ]


def _sentences(facts: dict[str, Any]) -> list[str]:
    left_out = [
        f"left out, {words}: {len(facts[name])}, as {', '.join(facts[name][:5])}"
        for name, words in (("unreadable", "pictures that cannot be read"), ("beside", "pictures without a fixation"))
        if facts.get(name)
    ]
    if facts["different"] < facts["pictures"]:
        left_out.append(f"{facts['different']} pictures are different: copies, and those of one group, are in one fold")
    lines = [
        *left_out,
        f"{counted(facts['pictures'], 'picture')}; {counted(facts['folds'], 'fold')}, ridge {facts['ridge']:g}, "
        f"each predicted without having"
        " been seen:",
    ]
    worth = facts.get("worth")
    if worth is None:
        return [*lines, "  not judged: that needs two pictures with three viewers or more"]
    curve = ", ".join(f"{value:.2f}" for value in worth["curve"])
    explained = f": {_interval(worth['explained'])} explained" if worth["people_bits"] > 0 else ""
    return [
        *lines,
        f"  worth {_interval(worth['viewers'])} viewers",
        f"  NSS {_interval(worth['nss'])}; centre {worth['nss_centre']['value']:.2f}, another picture's"
        f" {worth['nss_other']['value']:.2f}, the network's own {worth['nss_network']['value']:.2f};"
        f" 1, 2, ... viewers {curve}",
        f"  {_interval(worth['bits'])} bits a fixation above the centre, of {worth['people_bits']:.2f} that all other"
        f" viewers give{explained}",
    ]


def _interval(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.2f} [{estimate['low']:.2f}, {estimate['high']:.2f}]"


@command.command("apply")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("pictures", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for what is written.")
@click.option("--mask", type=click.Choice(["rectangle", "region", "patches"]), default="rectangle", show_default=True,
              help="What a mask keeps.")  # fmt: skip
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), default=0.7, show_default=True,
              help="Share of the map's mass that is kept.")  # fmt: skip
@click.option("--tables-only", is_flag=True, help="No pictures.")
@click.option("--maps-only", is_flag=True, help="Of pictures the maps alone, which are all that datasets need.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON lines.")
def apply(
    model: Path,
    pictures: Path,
    out: Path,
    mask: str,
    share: float,
    tables_only: bool,
    maps_only: bool,
    as_json: bool,
) -> None:
    """Write maps, rectangles and masks of PICTURES as MODEL predicts them, in the form of people's.

    OUT gets attention.csv, maps (16 bit, the peak is 65535), heatmaps and masked pictures, as from `gazekit attention`;
    pictures that cannot be read are in left-out.csv.

    \b
    Examples:
      gazekit attention-model apply gaze.model pictures --out predicted
      gazekit attention-model apply gaze.model pictures --out predicted --mask region --share 0.5
      gazekit attention-model apply gaze.model AVA/images --out predicted --maps-only
    """
    from gazekit.core.errors import ConfigError
    from gazekit.models.attention_study import Drawn, write_predicted
    from gazekit.models.gaze_readout import load_attention_model
    from gazekit.pictures import list_pictures
    from gazekit.shapes.mask_spec import MaskSpec

    if tables_only and maps_only:
        raise ConfigError("--tables-only and --maps-only say opposite things; give one of them")
    draw: Drawn = "nothing" if tables_only else "maps" if maps_only else "all"
    rule = MaskSpec(mask, share)  # type: ignore[arg-type]
    attention, listed = load_attention_model(model), list_pictures(pictures)
    table = write_predicted(attention, listed, out, rule, draw=draw, inputs={"model": model})
    if len(seen := table.loc[table["fitted_on"], "image"]):
        click.echo(
            f"{len(seen)} of {len(table)} maps are no predictions, as the model was fitted on people's looks at"
            f" {', '.join(seen[:5])}; `gazekit attention-model fit --maps` makes theirs out of fold",
            err=True,
        )
    if missing := len(listed) - len(table):
        click.echo(f"{missing} of {len(listed)} pictures are left out: {out / 'left-out.csv'} says why", err=True)
    if as_json:
        click.echo(table.to_json(orient="records", lines=True).strip())
        return
    click.echo(
        f"{counted(len(table), 'map')} in {out}; masks keep {table['kept_area'].mean():.0%} of the pictures on average"
    )
