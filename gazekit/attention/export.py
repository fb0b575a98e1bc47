"""Everything about the attention to a set of pictures, as files."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.agreement import halves_table, inter_observer_table
from gazekit.attention.density import FEWEST, density_table, of_kind
from gazekit.attention.differences import (
    GroupDifference,
    check_groups,
    condition_table,
    difference_picture,
    difference_table,
)
from gazekit.attention.drawing import (
    fit_picture,
    heatmap,
    legend,
    masked_pairs,
    opacity_map,
    outline,
    scanpath,
    sheet,
    transparent_heatmap,
)
from gazekit.attention.fixation_io import on_pictures
from gazekit.attention.maps import fixations_to_mask
from gazekit.attention.own_gaze import own_gaze_table
from gazekit.attention.scanpath_similarity import scanpath_table
from gazekit.attention.settings import MapKind, Weight
from gazekit.attention.uncertainty import mask_uncertainty, viewers_curve
from gazekit.attention.viewings import EVERYONE, By, Viewing, members, viewings
from gazekit.attention.worth import growth_table, panel
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.files import file_names, provenance, sync_all, whole_file
from gazekit.core.parallel import Run, side_by_side
from gazekit.core.progress import track
from gazekit.core.tables import Cut, without_cut, write_table
from gazekit.core.time_windows import TimeWindow
from gazekit.core.types import Map, Mask, Pixels
from gazekit.pictures import Picture, decode_as, inspect_picture, read_picture
from gazekit.session.excluding import RECORD
from gazekit.shapes.gaussian_sum import GaussianSum
from gazekit.shapes.mask_spec import MaskSpec, ShareOf
from gazekit.shapes.masks import apply_mask, check_look
from gazekit.shapes.rectangles import Box, rectangles_to_mask
from gazekit.shapes.regions import connected_regions

SCHEMA = "gazekit.attention/1"
SHEET_ROWS = 12
_SMALL = 200  # pixels of the longer side at which the highest of all maps is looked for
_PART = 10  # pictures that a process is given at a time
_TO_OPENCV = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
Kept = Literal["rectangle", "region", "patches", "fixations"]


@dataclass(frozen=True)
class Options:
    """How attention is made from fixations.

    Attributes
    ----------
    mask : Kept
        What is kept: the smallest ``rectangle``, the ``region`` of the highest pixels, the best ``patches``, or what
        lies within sigma of the ``fixations``.
    share, share_of, patches, patch_share : float, ShareOf, int, float
        See `gazekit.shapes.mask_spec.MaskSpec`; ``share`` is of the rectangle too.
    sigma_deg, sigma_px, weight : float, float, optional, Weight
        See `gazekit.attention.viewings.viewings`.
    map : MapKind
        ``likelihood``: maps, and what is kept of them, are densities (`gazekit.attention.density.LikelyViewing`); the
        agreement of people and all other tables stay those of Gaussians.
    by : By
        Whose maps; see `gazekit.attention.viewings.members`.
    fill, soft_px, remove : str, float, bool
        See `gazekit.shapes.masks.apply_mask`; ``remove`` takes the attended part away.
    window : TimeWindow, optional
        Only the fixations of this time.
    scale : {"picture", "shared"}
        What is drawn in full red: each map's own peak, or the highest of all, so that colours can be compared.
    layers : bool
        Also draw ``overlays/*.png`` (the heatmap alone, transparent) and ``opacity/*.jpg`` (the picture where people
        looked).
    normalise : {"none", "person"}
        ``person``: everybody counts alike, however long they looked.
    cut : {"keep", "drop-start", "drop"}
        Fixations that a picture's onset or offset cuts, see `gazekit.core.tables.without_cut`.
    """

    mask: Kept = "rectangle"
    share: float = 0.7
    share_of: ShareOf = "mass"
    patches: int = 3
    patch_share: float = 0.2
    sigma_deg: float = 1.0
    sigma_px: float | None = None
    weight: Weight = "duration"
    map: MapKind = "gaussian"
    by: By = "everyone"
    fill: str = "black"
    soft_px: float = 0.0
    remove: bool = False
    window: TimeWindow | None = None
    normalise: Literal["none", "person"] = "none"
    scale: Literal["picture", "shared"] = "picture"
    layers: bool = False
    cut: Cut = "keep"

    def __post_init__(self) -> None:
        check_look(self.fill, self.soft_px)
        self.rule()

    def rule(self) -> MaskSpec:
        """Return what a mask keeps of a map; of fixations, what its rectangle is."""
        kind = "rectangle" if self.mask == "fixations" else self.mask
        return MaskSpec(kind, self.share, self.share_of, self.patches, self.patch_share)


@dataclass(frozen=True)
class Extras:
    """What `write_attention` writes beside maps and masks.

    Attributes
    ----------
    resamples : int
        ``uncertainty.csv``, ``certainty/*.png``, ``viewers.csv``: so many draws of viewers (`mask_uncertainty`).
    growth : bool
        ``growth.csv``: how much of the whole map the first fixations hold (`growth_table`).
    scanpaths : bool
        ``scanpaths.csv``: how alike people's scanpaths are, and those of the maps in ``judge`` (`scanpath_table`).
    own : bool
        ``own-gaze.csv``: how each person looked at each picture (`own_gaze_table`).
    judge : sequence of Path
        ``worth.csv``: what the maps in these folders are worth in viewers (`Panel.worth`).
    differences : int
        ``differences.csv``, ``differences/*.png``: so many permutations of people between two groups
        (`gazekit.attention.differences`).
    conditions : str
        Column of the fixations whose two values are compared within people, in place of two groups.
    density : bool
        ``density.csv``, ``densities/*.png``: the density of each picture by leave-one-viewer-out likelihood, and what
        it gains over the customary map (`gazekit.attention.density`).
    """

    resamples: int = 0
    growth: bool = False
    scanpaths: bool = False
    own: bool = False
    judge: tuple[Path, ...] = ()
    differences: int = 0
    conditions: str = ""
    density: bool = False


def write_attention(
    fixations: pd.DataFrame,
    pictures: Sequence[Picture],
    out: str | Path,
    options: Options = Options(),
    *,
    draw: bool = True,
    agree: bool = True,
    inputs: Mapping[str, str | Path] | None = None,
    workers: int = 1,
    extras: Extras = Extras(),
    excluded: Sequence[Mapping[str, Any]] = (),
    found_by: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Write maps, what is attended to, overlays, masked pictures, sheets and the agreement of people.

    In the folder ``out``: ``attention.csv`` (a row a map: rectangle, the share of mass and area it holds, regions
    as JSON), ``maps/*.png`` (16 bit, the peak is 65535), ``heatmaps/``, ``scanpaths/``, ``masked/``, and
    ``contact-sheet.png``, ``pairs.png`` (Figure 2 of the GBR/RAN study) of the first pictures; ``agreement.csv`` and
    ``ceiling.csv`` where two pictures or more have several viewers. Pictures that nobody looked at, or that cannot
    be read, are listed in ``left-out.csv``.

    Parameters
    ----------
    fixations : DataFrame
        A fixation table.
    pictures : sequence
        As `gazekit.pictures.list_pictures` gives them.
    draw : bool
        Write the pictures of maps, scanpaths and masks too; without them only the tables.
    agree : bool
        Judge the agreement of people.
    inputs : mapping, optional
        Files to put into the provenance.
    workers : int
        Processes.
    extras : Extras
        What else is written.
    excluded : sequence of mapping
        What was left out of the table before, for the provenance (`gazekit.session.excluding.Exclusions.account`).
    found_by : mapping, optional
        Detector and parameters that the fixations were found with, for the provenance.

    Returns
    -------
    The table of ``attention.csv``; its ``attrs`` have the number of ``fixations``, of those ``off_picture``, and of
    maps of ``few_viewers``, which are Gaussians where densities were asked for; and the pictures ``left_out``, each
    with why.

    Raises
    ------
    InputError, ConfigError
        As `gazekit.attention.viewings.viewings`, or no picture could be read.
    """
    out = Path(out)
    fixations = on_pictures(fixations, pictures)
    fixations = without_cut(fixations, options.cut)
    if options.window is not None:
        fixations = options.window.chosen(fixations)
    sizes, faults = _sizes(fixations, pictures)
    looks = viewings(
        fixations,
        sizes,
        sigma_deg=options.sigma_deg,
        sigma_px=options.sigma_px,
        weight=options.weight,
        alike=options.normalise == "person",
    )
    beside = {p.image: int((~looks[p.image].counted).sum()) for p in pictures if p.image in looks}
    total = sum(len(viewing.x) for viewing in looks.values())
    faults += [(p.image, _nobody(beside.get(p.image, 0))) for p in pictures if p.image in sizes and not _seen(looks, p)]
    looks = {image: viewing for image, viewing in looks.items() if viewing.participants}
    if not looks:
        count = sum(beside.values())
        raise InputError(
            f"nobody looked at any of the {len(sizes)} pictures; "
            f"{counted(count, 'fixation lies beside them or has', 'fixations lie beside them or have')} no duration"
        )
    _check_extras(fixations, looks, options, extras)
    peak = _highest(of_kind(looks, options.map), options.by) if draw and options.scale == "shared" else None
    parts = _parts(of_kind(looks, options.map), pictures, out, options, draw, peak)
    with side_by_side(workers) as run:
        done = sorted(track(run(_write_part, parts), "attention", len(parts)), key=itemgetter(0))
        broken = [fault for _, _, _, found in done for fault in found]
        looks = {image: viewing for image, viewing in looks.items() if image not in dict(broken)}
        several = sum(len(v.participants) > 1 for v in looks.values()) > 1
        agreement = _agreement(looks, run) if agree and several else {}
    rows = [row for _, found, _, _ in done for row in found]
    views = [view for _, _, some, _ in done for view in some][:SHEET_ROWS]
    if not rows:
        raise InputError(f"none of {len(broken)} pictures can be read; the first: {broken[0][1]}")
    table = pd.DataFrame(rows)
    left_out = faults + broken
    few = int((table["viewers"] < FEWEST).sum()) if options.map == "likelihood" else 0
    table.attrs = {"fixations": total, "off_picture": sum(beside.values()), "few_viewers": few, "left_out": left_out}
    if views:
        _sheets(out, views)
        if peak is not None or options.layers:
            write_picture(out / "heatmaps" / "legend.png", legend(100 * (peak or 1.0), _unit(peak)))
    unused = "sigma_px" if options.sigma_px is None else "sigma_deg"
    left = {unused, "window", *(["map"] if options.map == "gaussian" else [])}
    chosen = {name: value for name, value in asdict(options).items() if name not in left}
    chosen |= {"window": str(options.window)} if options.window else {}
    chosen |= {"fixations": dict(found_by)} if found_by else {}
    origin = provenance(SCHEMA, chosen | ({RECORD: list(excluded)} if excluded else {}), inputs)
    write_table(pd.DataFrame(left_out, columns=["image", "why"]), out / "left-out.csv")
    for name, content in agreement.items():
        write_table(content, out / name, origin)
    _write_extras(out, fixations, looks, options, extras, origin)
    if draw:
        sync_all()  # the pictures, before a table names them
    write_table(table, out / "attention.csv", origin)
    return table


def _agreement(looks: Mapping[str, Viewing], run: Run[Any]) -> dict[str, pd.DataFrame]:
    return {"agreement.csv": halves_table(looks, run=run), "ceiling.csv": inter_observer_table(looks, run=run)}


def _two_conditions(fixations: pd.DataFrame, column: str) -> tuple[str, str]:
    """Return the two values of a column, sorted; InputError where it has other than two."""
    if column not in fixations:
        raise InputError(f"the fixation table has no column {column}; it has {', '.join(map(str, fixations))}")
    values = sorted(fixations[column].dropna().astype(str).unique())
    if len(values) != 2:
        shown = ", ".join(values[:5]) or "none"
        raise InputError(
            f"two conditions are compared; the column {column} has {counted(len(values), 'value')}: {shown}"
        )
    return values[0], values[1]


def _differences(
    fixations: pd.DataFrame, looks: Mapping[str, Viewing], options: Options, extras: Extras
) -> tuple[pd.DataFrame, dict[str, GroupDifference]]:
    if not extras.conditions:
        assert not isinstance(options.by, str)
        return difference_table(looks, options.by, permutations=extras.differences)
    names = _two_conditions(fixations, extras.conditions)
    sizes = {image: look.size for image, look in looks.items()}
    first, second = (
        viewings(
            fixations[fixations[extras.conditions].astype(str) == name],
            sizes,
            sigma_deg=options.sigma_deg,
            sigma_px=options.sigma_px,
            weight=options.weight,
        )
        for name in names
    )
    return condition_table(first, second, names, permutations=extras.differences)


def _check_extras(fixations: pd.DataFrame, looks: Mapping[str, Viewing], options: Options, extras: Extras) -> None:
    """Refuse what cannot be written, before anything is."""
    if extras.differences and not extras.conditions:
        if isinstance(options.by, str):
            raise InputError(
                "differences are between two groups of people (--groups), or two conditions of the same (--conditions)"
            )
        check_groups(looks, options.by)
    if extras.conditions:
        _two_conditions(fixations, extras.conditions)
    for folder in extras.judge:
        _map_files(folder, looks)


def _write_extras(
    out: Path,
    fixations: pd.DataFrame,
    looks: Mapping[str, Viewing],
    options: Options,
    extras: Extras,
    origin: dict[str, Any],
) -> None:
    several = {image: look for image, look in looks.items() if len(look.participants) > 1}
    if extras.resamples:
        names, rows = file_names(several), []
        for image, look in track(several.items(), "other viewers", len(several)):
            sure = mask_uncertainty(look, options.rule(), resamples=extras.resamples)
            edges = zip(("top", "left", "bottom", "right"), sure.low, sure.high, strict=True)
            interval = {
                f"{edge}_{end}": n for edge, *ends in edges for end, n in zip(("low", "high"), ends, strict=True)
            }
            rows.append({"image": image, "viewers": len(look.participants), "overlap": sure.agreement} | interval)
            write_picture(out / "certainty" / f"{names[image]}.png", np.rint(255 * sure.probability).astype(np.uint8))
        write_table(pd.DataFrame(rows), out / "uncertainty.csv", origin)
        write_table(viewers_curve(several, options.rule()), out / "viewers.csv", origin)
    if extras.growth:
        sizes = {image: look.size for image, look in looks.items()}
        table = growth_table(fixations, sizes, sigma_deg=options.sigma_deg, sigma_px=options.sigma_px)
        write_table(table, out / "growth.csv", origin)
    if extras.scanpaths:
        maps = {name: read_maps(folder, several) for name, folder in _named_folders(extras.judge).items()}
        write_table(scanpath_table(several, maps), out / "scanpaths.csv", origin)
    if extras.own:
        write_table(own_gaze_table(looks), out / "own-gaze.csv", origin)
    if extras.differences:
        table, found = _differences(fixations, several, options, extras)
        peak, names = max(float(np.abs(one.difference).max()) for one in found.values()), file_names(found)
        for image, one in found.items():
            write_picture(out / "differences" / f"{names[image]}.png", difference_picture(one, peak))
        write_table(table, out / "differences.csv", origin)
    if extras.density:
        table, densities = density_table(several)
        names = file_names(densities)
        for image, density in densities.items():
            amap = density.map()
            write_picture(
                out / "densities" / f"{names[image]}.png", np.rint(amap / amap.max() * 65535).astype(np.uint16)
            )
        write_table(table, out / "density.csv", origin)
    if extras.judge:
        viewers, rows = panel(several), []
        for name, folder in _named_folders(extras.judge).items():
            rows.append({"maps": name} | asdict(viewers.worth(read_maps(folder, viewers.looks))))
        write_table(pd.DataFrame(rows), out / "worth.csv", origin)


def read_maps(folder: Path, images: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Read the maps of pictures, grey PNG files of 8 or 16 bits named after them, as ``maps`` of `write_attention`.

    Raises
    ------
    InputError
        No such folder, or it has a map of none of the pictures.
    """
    maps: dict[str, npt.NDArray[Any]] = {}
    for image, file in _map_files(folder, images).items():
        pixels, said = decode_as(file.read_bytes(), cv2.IMREAD_UNCHANGED, str(file))
        if pixels is None:
            print(f"{file} cannot be read as a map: {'; '.join(said)}", file=sys.stderr)
        else:
            maps[image] = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
    if not maps:
        raise InputError(f"{folder} has no map (<picture>.png) that can be read of any of the pictures")
    return maps


def _map_files(folder: Path, images: Iterable[str]) -> dict[str, Path]:
    """Find the map of each picture: named after it, or after its name without suffix where no other has that."""
    images = list(images)
    names, stems = file_names(images), Counter(Path(image).stem for image in images)
    found: dict[str, Path] = {}
    for image in images:
        stem = Path(image).stem
        for name in (names[image], *([stem] if stems[stem] == 1 else [])):
            if (folder / f"{name}.png").is_file():
                found.setdefault(image, folder / f"{name}.png")
    if not found:
        raise InputError(f"{folder} has no map (<picture>.png) of any of the pictures")
    return found


def _named_folders(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by their names, or whole paths where two have one name."""
    times = Counter(folder.name for folder in folders)
    return {folder.name if times[folder.name] == 1 else str(folder): folder for folder in folders}


def _parts(
    looks: Mapping[str, Viewing],
    pictures: Sequence[Picture],
    out: Path,
    options: Options,
    draw: bool,
    peak: float | None,
) -> list[tuple[Any, ...]]:
    """Return the arguments of `_write_part` for a few pictures each: their maps by label and name of the file."""
    whose = {(image, who): people for image, v in looks.items() for who, people in members(v, options.by).items()}
    names = file_names(image if who == EVERYONE else f"{image}\0{who}" for image, who in whose)
    maps: dict[str, list[tuple[str, list[str], str]]] = {image: [] for image in looks}
    for (image, who), people in whose.items():
        maps[image].append((who, people, names[image if who == EVERYONE else f"{image}\0{who}"]))
    files = {p.image: p.file for p in pictures}
    images = list(looks)
    some = [images[n : n + _PART] for n in range(0, len(images), _PART)]
    return [
        (n, [(looks[image], files[image], maps[image]) for image in chosen], out, options, draw, peak)
        for n, chosen in enumerate(some)
    ]


def _write_part(
    number: int,
    pictures: Sequence[tuple[Viewing, Path, list[tuple[str, list[str], str]]]],
    out: Path,
    options: Options,
    draw: bool,
    peak: float | None,
) -> tuple[int, list[dict[str, Any]], list[tuple[str, list[Pixels]]], list[tuple[str, str]]]:
    """Write what belongs to some pictures; return its number, rows, what the sheets show, and unreadable pictures."""
    rows: list[dict[str, Any]] = []
    views: list[tuple[str, list[Pixels]]] = []
    faults = []
    for everybody, file, maps in pictures:
        try:
            rgb = read_picture(file) if draw else None
        except InputError as error:
            faults.append((everybody.image, str(error)))
            continue
        for who, people, name in maps:
            viewing = everybody if who == EVERYONE else everybody.of(*people)
            row, mask = attended(viewing, who, options)
            rows.append(row | {"file": name})
            if rgb is not None:
                drawn = _draw(out, rgb, viewing, row, mask, options, name, peak)
                if number * _PART + len(views) < SHEET_ROWS:
                    label = viewing.image if who == EVERYONE else f"{viewing.image} {who}"
                    views.append((label, [fit_picture(view, 480) for view in drawn]))
    return number, rows, views, faults


def _seen(looks: Mapping[str, Viewing], picture: Picture) -> bool:
    return picture.image in looks and bool(looks[picture.image].participants)


def _nobody(beside: int) -> str:
    return "nobody looked at it" + (
        f"; {counted(beside, 'fixation lies beside it or has', 'fixations lie beside it or have')} no duration"
        if beside
        else ""
    )


def write_picture(path: Path, pixels: npt.NDArray[Any], *, sync: bool = True) -> None:
    """Write RGB, RGBA or grey pixels as PNG or JPEG, by the suffix, whole or not at all; see `whole_file` for sync."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, _TO_OPENCV[pixels.shape[2]])
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(ordered))
    if not done:
        raise InputError(f"{path}: pictures are written as .png or .jpg")
    with whole_file(path, sync=sync) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _sizes(
    fixations: pd.DataFrame, pictures: Sequence[Picture]
) -> tuple[dict[str, tuple[int, int]], list[tuple[str, str]]]:
    """Return height and width of the pictures that were looked at, and what is wrong with those that cannot be read."""
    wanted = set(fixations["image"].dropna()) if "image" in fixations else set()
    chosen = [p for p in pictures if p.image in wanted]
    if not chosen:
        known = ", ".join(p.image for p in pictures[:5])
        found = ", ".join(map(str, sorted(wanted)[:5])) or "no image"
        raise InputError(f"none of the pictures ({known}, ...) is in the fixation table, which has {found}")
    sizes, faults = {}, [(p.image, "not in the fixation table") for p in pictures if p.image not in wanted]
    strange = fixations.loc[~fixations["image"].isin([p.image for p in pictures]), "image"].value_counts()
    faults += [
        (str(image), f"not among the pictures; it has {counted(count, 'fixation')}") for image, count in strange.items()
    ]
    for picture in chosen:
        try:
            sizes[picture.image] = inspect_picture(picture.file.read_bytes(), str(picture.file)).upright
        except OSError as error:
            faults.append((picture.image, f"{picture.file}: {error.strerror or error}"))
        except InputError as error:
            faults.append((picture.image, str(error)))
    if not sizes:
        raise InputError(f"none of {len(chosen)} pictures can be read; the first: {faults[-1][1]}")
    return sizes, faults


def attended(viewing: Viewing, who: str, options: Options) -> tuple[dict[str, Any], Mask]:
    """Return the row of a map in ``attention.csv``, and the mask of what is attended to.

    Boxes are of the map in closed form, which need not be made for them.
    """
    near = None
    if options.mask == "fixations":
        near = fixations_to_mask(viewing.x, viewing.y, viewing.size, viewing.sigma_px)
    columns, mask = kept(viewing.closed_map(), options.rule(), near)
    row = {
        "image": viewing.image,
        "who": who,
        **columns,
        "fixations": int(viewing.counted.sum()),
        "off_picture": int((~viewing.counted).sum()),
        "viewers": len(viewing.participants),
        "sigma_px": viewing.sigma_px,
    }
    return row, mask


def kept(whole: GaussianSum | Map, rule: MaskSpec, mask: Mask | None = None) -> tuple[dict[str, Any], Mask]:
    """Return the rectangle of a map and what is kept of it, as columns of ``attention.csv``, and the mask.

    Parameters
    ----------
    whole : GaussianSum or Map
        The map, of sum 1.
    rule : MaskSpec
        What is kept.
    mask : Mask, optional
        What is kept whatever the rule says; the rectangle is still the rule's.
    """
    size = whole.size if isinstance(whole, GaussianSum) else (whole.shape[0], whole.shape[1])
    pixels, box = size[0] * size[1], replace(rule, kind="rectangle").boxes(whole)[0]
    if mask is None and rule.kind != "region":
        boxes: list[Box] = [box] if rule.kind == "rectangle" else rule.boxes(whole)
        mask = rectangles_to_mask(boxes, size)
        mass, area = sum(_mass(whole, b) for b in boxes), sum(_pixels(b) for b in boxes) / pixels
    else:
        amap = whole.pixels((0, 0, *size)) if isinstance(whole, GaussianSum) else whole
        region = rule.mask(whole) if mask is None else mask
        boxes = [part.box for part in connected_regions(region, amap)] if mask is None else []
        mask, mass, area = region, float(amap[region].sum(dtype=np.float64)), float(region.mean())
    columns = {
        **dict(zip(("top", "left", "bottom", "right"), box, strict=True)),
        "mass": _mass(whole, box),
        "area": _pixels(box) / pixels,
        "kept_mass": mass,
        "kept_area": area,
        "boxes": str([list(b) for b in boxes]),
    }
    return columns, mask


def _mass(closed: GaussianSum | Map, box: Box) -> float:
    """Return what a box holds of a map."""
    if not isinstance(closed, GaussianSum):
        return float(closed[box[0] : box[2], box[1] : box[3]].sum(dtype=np.float64))
    return float(closed.cells(np.array([box[0], box[2]]), np.array([box[1], box[3]]))[0, 0])


def _pixels(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _draw(
    out: Path,
    rgb: Pixels,
    viewing: Viewing,
    row: Mapping[str, Any],
    mask: Mask,
    options: Options,
    name: str,
    peak: float | None,
) -> list[Pixels]:
    """Write the pictures of one map; return what a sheet shows of them, large: picture, scanpath, heatmap, masked."""
    weight, amap = viewing.duration_ms if options.weight == "duration" else None, viewing.map()
    path = scanpath(rgb, viewing.x, viewing.y, weight, viewer=viewing.names, numbers=len(viewing.participants) < 3)
    top = None if peak is None else peak / _square(viewing)
    heat = outline(heatmap(rgb, amap, peak=top), [(row["top"], row["left"], row["bottom"], row["right"])])
    masked = apply_mask(rgb, ~mask if options.remove else mask, options.fill, options.soft_px)
    write_picture(out / "maps" / f"{name}.png", np.rint(amap / amap.max() * 65535).astype(np.uint16), sync=False)
    write_picture(out / "scanpaths" / f"{name}.jpg", path, sync=False)
    write_picture(out / "heatmaps" / f"{name}.jpg", heat, sync=False)
    write_picture(out / "masked" / f"{name}.png", masked, sync=False)
    if options.layers:
        write_picture(out / "overlays" / f"{name}.png", transparent_heatmap(amap, viewing.size, peak=top), sync=False)
        write_picture(out / "opacity" / f"{name}.jpg", opacity_map(rgb, amap, top), sync=False)
    return [rgb, path, heat, masked]


def _highest(looks: Mapping[str, Viewing], by: By) -> float:
    """Return the highest share of attention in a square of one sigma, of all maps that are drawn."""
    peaks = []
    for look in looks.values():
        small = look.scaled(_SMALL)
        pixels = (small.size[0] * small.size[1]) / (look.size[0] * look.size[1])  # small ones a pixel
        peaks += [small.of(*people).map().max() * pixels * _square(look) for people in members(look, by).values()]
    return float(max(peaks))


def _square(viewing: Viewing) -> float:
    return viewing.sigma_px**2


def _unit(peak: float | None) -> str:
    """Return what the numbers of a legend are."""
    return "% of each map's own peak" if peak is None else "% of attention in a square of one sigma, all pictures alike"


def _sheets(out: Path, views: Sequence[tuple[str, list[Pixels]]]) -> None:
    names, rows = [name for name, _ in views], [view for _, view in views]
    columns = ["picture", "scanpaths", "attention map", "masked"]
    write_picture(out / "contact-sheet.png", sheet(rows, names=names, columns=columns, tile=320))
    pairs = masked_pairs([view[0] for view in rows], [view[3] for view in rows], tile=320)
    write_picture(out / "pairs.png", pairs)
