"""``gazekit attention-model``: where people would look in pictures that nobody looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gazekit.cli._selection import chosen_exclusions, exclusion_options


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
@click.option("--pictures", required=True, type=click.Path(path_type=Path), help="Folder of pictures, or a CSV list.")
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
@click.option("--seed", default=0, show_default=True, help="Of the folds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fit(
    fixations: Path,
    pictures: Path,
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
    as_json: bool,
    **left_out: Any,
) -> None:
    """Fit a read-out of a frozen network to FIXATIONS, and say what it is worth.

    FIXATIONS is a table as `gazekit fixations` writes it, or as `gazekit attention` takes it. Every picture is
    predicted by a fit that has not seen it; from that comes what the model is worth in viewers: so many people's
    fixations would predict the others' as well. Beside OUT lies OUT.json with the figures.

    \b
    Examples:
      gazekit attention-model fit fixations.csv --pictures stimuli --weights lite0.pth --out gaze.model
      gazekit attention-model fit fixations.csv --pictures stimuli --weights lite0.pth --out gaze.model --maps seen
      gazekit attention-model fit osie.csv --pictures osie --weights timm --sigma-px 24 --one-based --out gaze.model
    """
    from gazekit.attention.fixation_io import read_fixations
    from gazekit.models.attention_study import fit_attention_model
    from gazekit.pictures import list_pictures

    names = dict(pair.split("=", 1) for pair in rename if "=" in pair)
    exclusions = chosen_exclusions(left_out, fixations)
    table = exclusions.of_fixations(read_fixations(fixations, rename=names, one_based=one_based), fixations)
    exclusions.tell()
    attention = fit_attention_model(
        table,
        list_pictures(pictures),
        model=model,
        weights=weights,
        longer=longer,
        folds=folds,
        sigma_px=sigma_px,
        seed=seed,
        maps=maps,
    )
    attention.save(out)
    facts = dict(attention.facts) | exclusions.parameters()
    Path(f"{out}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(facts))
        return
    for line in _sentences(facts):
        click.echo(line)


def _sentences(facts: dict[str, Any]) -> list[str]:
    lines = [f"{facts['pictures']} pictures; ridge {facts['ridge']:g}, each predicted without having been seen:"]
    worth = facts.get("worth")
    if worth is None:
        return [*lines, "  not judged: that needs two pictures with three viewers or more"]
    curve = ", ".join(f"{value:.2f}" for value in worth["curve"])
    return [
        *lines,
        f"  worth {_interval(worth['viewers'])} viewers",
        f"  NSS {_interval(worth['nss'])}; centre {worth['nss_centre']['value']:.2f}, another picture's"
        f" {worth['nss_other']['value']:.2f}; 1, 2, ... viewers {curve}",
        f"  {_interval(worth['bits'])} bits a fixation above the centre, of {worth['people_bits']:.2f} that all other"
        f" viewers give: {_interval(worth['explained'])} explained",
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
              help="Of the map's mass that is kept.")  # fmt: skip
@click.option("--tables-only", is_flag=True, help="No pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON lines.")
def apply(model: Path, pictures: Path, out: Path, mask: str, share: float, tables_only: bool, as_json: bool) -> None:
    """Write maps, rectangles and masks of PICTURES as MODEL predicts them, in the form of people's.

    OUT gets attention.csv, maps (16 bit, the peak is 65535), heatmaps and masked pictures, as from `gazekit attention`;
    pictures that cannot be read are in left-out.csv.

    \b
    Examples:
      gazekit attention-model apply gaze.model pictures --out predicted
      gazekit attention-model apply gaze.model pictures --out predicted --mask region --share 0.5
    """
    from gazekit.models.attention_study import write_predicted
    from gazekit.models.gaze_readout import load_attention_model
    from gazekit.pictures import list_pictures
    from gazekit.shapes.mask_spec import MaskSpec

    rule = MaskSpec(mask, share)  # type: ignore[arg-type]
    table = write_predicted(load_attention_model(model), list_pictures(pictures), out, rule, draw=not tables_only,
                            inputs={"model": model})  # fmt: skip
    if as_json:
        click.echo(table.to_json(orient="records", lines=True).strip())
        return
    click.echo(f"{len(table)} maps in {out}; masks keep {table['kept_area'].mean():.0%} of the pictures on average")
