"""Maps of attention as the browser shows them: whose, of which part of the viewing, and what a mask keeps of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from gazekit.attention.density import of_kind
from gazekit.attention.differences import GroupDifference, difference_picture, group_difference
from gazekit.attention.drawing import heatmap, opacity_map, outline
from gazekit.attention.export import Options, attended
from gazekit.attention.settings import AttentionOptions
from gazekit.attention.viewings import Viewing, viewings
from gazekit.core.config import Spec
from gazekit.core.errors import InputError
from gazekit.core.files import is_table, picture_format, provenance, whole_file
from gazekit.core.tables import write_table
from gazekit.core.time_windows import TimeWindow
from gazekit.core.types import Map, Mask, Pixels
from gazekit.explore.material import Material
from gazekit.explore.picture_looks import LookCache, PictureLooks
from gazekit.pictures import read_picture
from gazekit.shapes.fills import Fill
from gazekit.shapes.masks import apply_mask
from gazekit.shapes.rectangles import Box
from gazekit.shapes.regions import fewest_holding, highest_pixels

View = Literal["heatmap", "opacity", "contour", "masked", "difference"]
LEVELS = (0.25, 0.5, 0.75)  # shares of a map that contours enclose
_RECENT = 4  # maps that stay in memory, 4 bytes a pixel
GREY = 160  # where the picture's file is not there
MAP_COLUMNS = ("image", "who", "top", "left", "bottom", "right", "mass", "area", "kept_mass", "kept_area", "boxes",
               "fixations", "off_picture", "viewers", "sigma_px")  # fmt: skip


class MapChoice(AttentionOptions, Spec):
    """What map is shown.

    Attributes
    ----------
    image : str
        The picture.
    view : View
        The map over the picture, the picture where people looked, lines around shares of the map, what the mask keeps
        of the picture, or the difference of two groups.
    who : {"everyone", "person", "all-but", "group"}
        Whose map.
    name : str
        The person; of a group, FACTOR=LEVEL.
    versus : str
        The other group of a difference, FACTOR=LEVEL.
    window : str
        START:END, ms since the picture came; empty for all of it.
    first : int, optional
        Only each person's first so many fixations.
    sigma_px : float, optional
        Sigma in picture pixels instead of degrees.
    alike : bool
        Everybody counts alike, however long they looked.
    fill, soft_px, remove
        What stands outside the mask, the width of its edge, and whether the attended part is taken away instead.
    permutations : int
        For the test of a difference; 0 for no test.
    """

    image: str = ""
    view: View = "heatmap"
    who: Literal["everyone", "person", "all-but", "group"] = "everyone"
    name: str = ""
    versus: str = ""
    window: str = ""
    first: int | None = Field(default=None, ge=1)
    sigma_px: float | None = Field(default=None, gt=0, le=2000)
    alike: bool = False
    fill: Fill = "black"
    soft_px: float = Field(default=0.0, ge=0, le=500)
    remove: bool = False
    permutations: int = Field(default=0, ge=0, le=4999)

    @model_validator(mode="after")
    def _goes_together(self) -> MapChoice:
        self.time_window()
        if self.who != "everyone" and not self.name:
            raise ValueError("say whose map: a person, or FACTOR=LEVEL of a group")
        if (self.who == "group" and "=" not in self.name) or (self.versus and "=" not in self.versus):
            raise ValueError("a group is FACTOR=LEVEL")
        if self.view == "difference" and not (self.who == "group" and self.versus):
            raise ValueError("a difference is between two groups: choose both")
        self.options()
        return self

    def time_window(self) -> TimeWindow | None:
        """Return the part of the viewing."""
        return TimeWindow.of(self.window or None, self.first)

    def options(self) -> Options:
        """Return the same as options of `gazekit attention`."""
        shared = ("sigma_deg", "mask", "share", "share_of", "patches", "patch_share", "weight", "map")
        return Options(
            **{name: getattr(self, name) for name in shared},
            sigma_px=self.sigma_px,
            fill=self.fill,
            soft_px=self.soft_px,
            remove=self.remove,
            window=self.time_window(),
            normalise="person" if self.alike else "none",
        )


@dataclass(frozen=True)
class PictureMap:
    """A map of a picture, and what is known of it.

    Attributes
    ----------
    choice : MapChoice
        What was asked for.
    viewing : Viewing
        The fixations that it is made of.
    excluded : tuple of str
        What was left out, in sentences.
    groups : mapping of str to str
        Participant to group, of a difference.
    """

    choice: MapChoice
    viewing: Viewing
    excluded: tuple[str, ...] = ()
    groups: Mapping[str, str] | None = None

    @cached_property
    def map(self) -> Map:
        """The map, float32 (height, width), sum 1."""
        return self.viewing.map()

    @cached_property
    def _attended(self) -> tuple[dict[str, Any], Mask]:
        return attended(self.viewing, self.who, self.choice.options())

    @property
    def who(self) -> str:
        """Whose map it is, in words."""
        choice = self.choice
        if choice.view == "difference":
            return f"{choice.name} less {choice.versus}"
        return {"everyone": "everyone", "all-but": f"all but {choice.name}"}.get(choice.who, choice.name)

    @property
    def row(self) -> dict[str, Any]:
        """The row of ``attention.csv``: rectangle, what it and the mask hold, fixations, viewers."""
        return self._attended[0]

    @property
    def mask(self) -> Mask:
        """What the mask keeps."""
        return self._attended[1]

    @property
    def boxes(self) -> list[Box]:
        """The rectangle, the patches or the boxes of the regions."""
        boxes = [tuple(int(n) for n in box.split(",")) for box in self.row["boxes"].strip("[]").split("], [") if box]
        return [(top, left, bottom, right) for top, left, bottom, right in boxes]

    @cached_property
    def difference(self) -> GroupDifference:
        """The difference of the two groups."""
        assert self.groups is not None
        return group_difference(self.viewing, self.groups, permutations=self.choice.permutations)

    def level(self) -> Pixels:
        """Return the map in 256 steps of its peak, (height, width): what the page colours."""
        amap = self.map
        return cv2.convertScaleAbs(amap, alpha=255.0 / float(amap.max()))  # type: ignore[return-value]

    def lines(self) -> dict[str, list[list[list[int]]]]:
        """Return lines around the highest pixels that hold `LEVELS` of the map: corners (x, y) of each."""
        small = self.viewing.scaled(480)
        amap = small.map()
        factor = self.viewing.size[1] / small.size[1], self.viewing.size[0] / small.size[0]
        result = {}
        for share in LEVELS:
            held = highest_pixels(amap, fewest_holding(amap, share)).astype(np.uint8)
            around, _ = cv2.findContours(held, cv2.RETR_LIST, cv2.CHAIN_APPROX_TC89_L1)
            result[f"{share:.0%}"] = [
                [[round(x * factor[0]), round(y * factor[1])] for x, y in line[:, 0].tolist()] for line in around
            ]
        return result

    def outlines(self) -> list[list[list[int]]]:
        """Return the outline of the mask: corners (x, y) of each part."""
        around, _ = cv2.findContours(self.mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_TC89_L1)
        return [line[:, 0].tolist() for line in around]

    def facts(self) -> dict[str, Any]:
        """Return what stands beside the map: numbers, boxes and lines."""
        names = ("mass", "area", "kept_mass", "kept_area", "fixations", "off_picture", "viewers", "sigma_px")
        peak = float(self.map.max()) * self.viewing.sigma_px**2
        return {
            "who": self.who,
            "size": list(self.viewing.size),
            "people": self.viewing.participants,
            "boxes": [list(box) for box in self.boxes],
            "outlines": self.outlines() if self.choice.mask == "region" else [],
            "excluded": list(self.excluded),
            "peak_percent": 100 * peak,  # of attention in a square of one sigma
            **{name: self.row[name] for name in names},
        }


class MapMaker:
    """Makes maps of a material; fixations that were found once are kept."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.looks = LookCache(material)
        self._recent: OrderedDict[str, tuple[PictureLooks, PictureMap]] = OrderedDict()  # a page asks twice for each
        self._turn = Lock()

    def make(self, choice: MapChoice) -> PictureMap:
        """Make a map.

        Raises
        ------
        InputError
            Nobody looked at the picture, or none of those who are asked for.
        """
        looks = self.looks.of(choice.image, choice.time_window())
        key = choice.model_dump_json()
        with self._turn:
            if key in self._recent and self._recent[key][0] is looks:
                return self._recent[key][1]
            made = self._made(looks, choice)
            self._recent[key] = (looks, made)
            while len(self._recent) > _RECENT:
                self._recent.popitem(last=False)
            return made

    def _made(self, looks: PictureLooks, choice: MapChoice) -> PictureMap:
        viewing = self._viewing(looks, choice)
        groups = _groups(looks, choice) if choice.view == "difference" else None
        people = list(groups) if groups is not None else _people(looks, choice)
        chosen = viewing.of(*people)
        if not chosen.participants:
            raise InputError(f"{choice.name or 'everyone'}: no fixation lies on {choice.image!r} in this time")
        return PictureMap(choice, chosen, looks.excluded, groups)

    def picture(self, picture_map: PictureMap) -> Pixels:
        """Return the picture of a map; see `rgb`."""
        return self.rgb(picture_map.choice.image, picture_map.viewing.size)

    def rgb(self, image: str, size: tuple[int, int]) -> Pixels:
        """Return a picture of (height, width); grey where its file is not there, or is of another size.

        Raises
        ------
        InputError
            The file is no picture.
        """
        rgb = self._read(image)
        return rgb if rgb is not None and rgb.shape[:2] == size else np.full((*size, 3), GREY, np.uint8)

    def why_grey(self, image: str) -> str:
        """Say why grey stands for a picture in what is drawn of it; empty where the picture itself does."""
        try:
            rgb = self._read(image)
        except InputError as error:
            return f"{error}; grey stands for it"
        if rgb is None:
            return "the file of this picture is not there: grey stands for it"
        (height, width), (shown_height, shown_width) = rgb.shape[:2], self.looks.size(image)
        if (height, width) == (shown_height, shown_width):
            return ""
        return (
            f"the file of this picture has {width} x {height} pixels, and the one that was shown had {shown_width} x "
            f"{shown_height}: it is stretched on this page, and grey stands for it in masks, differences and files"
        )

    def _read(self, image: str) -> Pixels | None:
        file = self.material.picture_file(image)
        return read_picture(file) if file is not None and file.is_file() else None

    def _viewing(self, looks: PictureLooks, choice: MapChoice) -> Viewing:
        table = pd.concat([one.fixations[one.look.chosen] for one in looks.looks], ignore_index=True)
        if not table["x_picture"].notna().any():
            raise InputError(f"no fixation lies on {choice.image!r} in this time")
        found = viewings(
            table,
            {choice.image: looks.size},
            sigma_deg=choice.sigma_deg,
            sigma_px=choice.sigma_px,
            weight=choice.weight,
            alike=choice.alike,
        )
        return of_kind(found, choice.map)[choice.image]


def draw_map(picture_map: PictureMap, rgb: Pixels) -> Pixels:
    """Draw a map over its picture, as the choice's view says.

    Raises
    ------
    InputError
        A difference of groups that are too small.
    """
    choice, amap = picture_map.choice, picture_map.map
    if choice.view == "opacity":
        return opacity_map(rgb, amap)
    if choice.view == "masked":
        mask = ~picture_map.mask if choice.remove else picture_map.mask
        return apply_mask(rgb, mask, choice.fill, choice.soft_px)
    if choice.view == "difference":
        found = picture_map.difference
        small = difference_picture(found, float(np.abs(found.difference).max()) or 1.0)
        return cv2.resize(small, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]
    if choice.view == "contour":
        result = np.ascontiguousarray(rgb).copy()
        width = max(1, round(max(rgb.shape[:2]) / 400))
        for colour, lines in zip(
            ((86, 180, 233), (240, 228, 66), (213, 94, 0)), picture_map.lines().values(), strict=True
        ):
            for line in lines:
                for thick, shade in ((width + 2, (0, 0, 0)), (width, colour)):
                    cv2.polylines(result, [np.array(line)], True, shade, thick, cv2.LINE_AA)
        return result
    return outline(heatmap(rgb, amap), picture_map.boxes)


def write_map(picture_map: PictureMap, rgb: Pixels, out: str | Path) -> Path:
    """Write a map as a drawing (.png, .svg, .pdf, .jpg), or what is known of it as a table (.csv, .tsv, .parquet).

    Raises
    ------
    OutputError
        The file cannot be written, or its suffix is none of these.
    """
    out, choice = Path(out), picture_map.choice
    if is_table(out):
        made = provenance("gazekit.explore.map/1", choice.model_dump() | {"left_out": list(picture_map.excluded)})
        return write_table(pd.DataFrame([picture_map.row])[list(MAP_COLUMNS)], out, made)
    kind = picture_format(out)
    drawn = draw_map(picture_map, rgb)
    with whole_file(out) as beside:
        if kind in ("png", "jpg"):
            _, content = cv2.imencode(f".{kind}", drawn[..., ::-1])
            beside.write_bytes(content.tobytes())
        else:
            _figure(picture_map, drawn).savefig(beside, format=kind, dpi=100)
    return out


def _figure(picture_map: PictureMap, drawn: Pixels) -> Any:
    from matplotlib.figure import Figure

    height, width = drawn.shape[:2]
    figure = Figure(figsize=(8, 8 * height / width + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(drawn)
    axes.set_axis_off()
    row = picture_map.row
    axes.set_title(
        f"{picture_map.choice.image}: {picture_map.who}, {row['viewers']} viewers, {row['fixations']} fixations; "
        f"mask holds {row['kept_mass']:.0%} on {row['kept_area']:.0%}",
        fontsize=8,
    )
    return figure


def _people(looks: PictureLooks, choice: MapChoice) -> list[str]:
    if choice.who == "group":
        return _members(looks, choice.name)
    if choice.who != "everyone" and choice.name not in looks.people:
        raise InputError(f"{choice.name!r} did not look at {choice.image!r}; {', '.join(looks.people[:20])} did")
    if choice.who == "person":
        return [choice.name]
    return [name for name in looks.people if choice.who == "everyone" or name != choice.name]


def _members(looks: PictureLooks, group: str) -> list[str]:
    factor, _, level = group.partition("=")
    people = [one.participant for one in looks.looks if one.levels.get(factor) == level]
    if not people:
        raise InputError(f"nobody of the group {group} looked at {looks.image!r}")
    return list(dict.fromkeys(people))


def _groups(looks: PictureLooks, choice: MapChoice) -> dict[str, str]:
    """Return the groups of a difference; named so that the first one comes first."""
    first, second = _members(looks, choice.name), _members(looks, choice.versus)
    if set(first) & set(second):
        raise InputError(f"{choice.name} and {choice.versus} share people: {', '.join(sorted({*first} & {*second}))}")
    return dict.fromkeys(first, f"1 {choice.name}") | dict.fromkeys(second, f"2 {choice.versus}")
