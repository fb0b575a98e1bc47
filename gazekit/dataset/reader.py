"""Reading a dataset: pictures, masks, ratings and splits, at random and from many workers."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.viewings import Viewing
from gazekit.core.checksum import check_seal, read_seal
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError, unknown_name
from gazekit.core.long_texts import text_of
from gazekit.core.types import Bits, Mask, Pixels
from gazekit.dataset.digests import GROUP, CheckedBits, checked_tables, digest_name, digest_of_row
from gazekit.dataset.index import Tables, read_tables, shard_files
from gazekit.dataset.layout import ATTENTION, SCHEMA, SPLITS, name_of, read_remarks, read_text, stored_name
from gazekit.dataset.registered import RegisteredMark, read_mark
from gazekit.dataset.resize import decode_resized, resized
from gazekit.pictures import decode_picture
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.masks import apply_mask
from gazekit.shapes.packed import Rectangles, Regions

Split = Literal["train", "validation", "test"]


def open_dataset(path: str | Path, *, verify: bool = True) -> Dataset:
    """Open a dataset file.

    Every byte of it and of its shards is compared with the SHA-256 that was stored when it was built. With
    ``verify=False`` its ratings, splits and rectangles are compared, and each picture and bit mask when it is read.

    Raises
    ------
    InputError
        No such file, or an empty one.
    FormatError
        Not a dataset, altered, or with a shard that is missing or altered (the file is named).

    Examples
    --------
    >>> import gazekit as gk
    >>> pictures = gk.list_pictures("sample_data/comparison/pictures")
    >>> ratings = gk.read_histograms("sample_data/comparison/histograms.csv")
    >>> dataset = open_dataset(gk.build_dataset(pictures, None, ratings, "whole.dataset.h5"))
    >>> len(dataset), dataset.conditions
    (40, ('original',))
    """
    path = Path(path)
    check = check_seal if verify else read_seal
    digest = check(path)
    try:
        with h5py.File(path, "r") as file:
            schema = file.attrs.get("schema", "none")
            if schema != SCHEMA:
                raise FormatError(f"{path} is not a dataset of schema {SCHEMA}; its schema is {schema}")
            shards = shard_files(file, path)
            tables = None if verify else checked_tables(file, path)
    except FormatError:
        raise
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise FormatError(f"{path} is damaged: {error}") from error
    missing = [str(shard) for shard, _ in shards if not shard.is_file()]
    if missing:
        raise FormatError(f"{path} needs {counted(len(shards), 'shard')}; missing: {', '.join(missing[:10])}")
    with ThreadPoolExecutor(4) as pool:
        seals = list(pool.map(check, [shard for shard, _ in shards]))
    wrong = [str(shard) for (shard, stated), seal in zip(shards, seals, strict=True) if seal != stated]
    if wrong:
        raise FormatError(f"{path}: shards that are not the ones it was built from: {', '.join(wrong[:10])}")
    dataset = Dataset(path, digest, verified=verify)
    if tables is not None:
        dataset.__dict__["_tables"] = tables
    return dataset


class Dataset:
    """An opened dataset of N pictures with ratings in K buckets.

    Pictures are numbered 0 .. N-1 in the order of their ids, in a merged set dataset by dataset. Files are opened
    when first needed, anew in each process; the object pickles, and one and the same can be used by many workers.
    """

    def __init__(self, path: Path, digest: str, verified: bool) -> None:
        self.path = path
        self.sha256 = digest
        self._verified = verified
        self._extra: dict[str, Rectangles | Regions] = {}
        self._digests: dict[str, npt.NDArray[np.uint64] | None] = {}
        self._files: tuple[int, dict[Path, h5py.File]] = (os.getpid(), {})
        self._bytes: dict[int, tuple[npt.NDArray[np.int64], h5py.Dataset]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return (
            f"<Dataset {self.path.name}: {counted(len(self), 'picture')}, {counted(self.scale, 'bucket')}, "
            f"{', '.join(self.conditions)}>"
        )

    def __getstate__(self) -> dict[str, Any]:
        pickled = {"path", "sha256", "_verified", "_extra"}
        return {name: value for name, value in self.__dict__.items() if name in pickled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._files, self._bytes, self._digests = (os.getpid(), {}), {}, {}

    # -- tables ------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> list[str]:
        """The pictures' ids, N of them."""
        return self._tables.ids

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Ratings per bucket, (N, K)."""
        return self._tables.rating["counts"]

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """Mean score, (N,), in score units 1..K; NaN where nobody rated."""
        return self._tables.rating["mean"]

    @property
    def std(self) -> npt.NDArray[np.float64]:
        """Population standard deviation of the histogram, (N,)."""
        return self._tables.rating["std"]

    @property
    def scale(self) -> int:
        """K, the number of buckets."""
        return int(self.counts.shape[1])

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """Height and width of the upright pictures, (N, 2)."""
        return np.stack([self._tables.image["height"], self._tables.image["width"]], axis=1)

    def size(self, i: int) -> tuple[int, int]:
        """Height and width of an upright picture."""
        image = self._tables.image
        return int(image["height"][i]), int(image["width"][i])

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """Equal for pictures that stay on one side of a split, (N,)."""
        return self._tables.image["group"]

    @property
    def viewers(self) -> npt.NDArray[np.int32]:
        """How many people looked at each picture, (N,)."""
        return self._tables.image["viewers"]

    @property
    def sigma_px(self) -> npt.NDArray[np.float32]:
        """Sigma of the fovea in pixels of each picture, (N,); 0 where nobody was shown it."""
        return self._tables.image["sigma_px"]

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions: ``original`` first, then the masks."""
        return tuple(dict.fromkeys(("original", *self._tables.mask, *self._extra)))

    @property
    def mask_kind(self) -> Kind:
        """What masks are made of: one ``rectangle`` a picture, ``patches`` or a ``region``."""
        return self._tables.masks

    @property
    def fitted(self) -> bool:
        """Whether masks of one area have as many pixels at every size, as in datasets since 0.2."""
        return self._tables.people is not None

    @property
    def schemes(self) -> tuple[str, ...]:
        """Names of the split schemes."""
        return tuple(self._tables.split)

    @property
    def shards(self) -> int:
        """Number of files that the pictures lie in; 0 where they lie in the dataset's own."""
        return len(self._tables.shards)

    @cached_property
    def registered(self) -> RegisteredMark | None:
        """The registration that the dataset belongs to; None where there is none."""
        return read_mark(self._file(self.path))

    @cached_property
    def participants(self) -> list[str]:
        """Pseudonyms of the people who looked."""
        names: list[str] = json.loads(text_of(self._file(self.path), "participants"))
        return names

    @cached_property
    def map_size(self) -> int:
        """Side of the grid that the human maps lie in; 0 where there are none."""
        group = self._source(0)[0]["attention"]
        return int(group["map"].shape[1]) if "map" in group else 0

    @cached_property
    def remarks(self) -> pd.DataFrame:
        """What was said of single pictures while building: columns image, remark, text."""
        return read_remarks(self._file(self.path))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Versions, parameters and digests of the inputs."""
        record: dict[str, Any] = json.loads(text_of(self._file(self.path), "provenance"))
        return record

    def codes(self, scheme: str = "default") -> npt.NDArray[np.uint8]:
        """Return for each picture 1 (train), 2 (validation), 3 (test) or 0 (none of them), (N,)."""
        if scheme not in self._tables.split:
            raise unknown_name("split scheme", scheme, self._tables.split)
        return self._tables.split[scheme]

    def indices(self, split: Split, scheme: str = "default") -> npt.NDArray[np.int64]:
        """Return the numbers of the pictures in ``train``, ``validation`` or ``test`` of a scheme, ascending."""
        codes = self.codes(scheme)
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        return np.flatnonzero(codes == SPLITS.index(split) + 1).astype(np.int64)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories that pictures were put in."""
        return tuple(map(name_of, self._file(self.path)["category"]))

    def category(self, name: str) -> npt.NDArray[np.int64]:
        """Return the numbers of the pictures of a category, ascending."""
        if name not in self.categories:
            raise unknown_name("category", name, self.categories)
        return np.flatnonzero(self._file(self.path)[f"category/{stored_name(name)}"][()]).astype(np.int64)

    def index(self, image: str) -> int:
        """Return the number of a picture by its id."""
        place = self._places.get(image)
        if place is None:
            raise unknown_name("picture", image, self._places)
        return place

    # -- pictures ----------------------------------------------------------------------------------------------

    def encoded(self, i: int) -> bytes:
        """Return the original file's bytes."""
        file, row = self._source(i)
        offset, encoded = self._encoded(file)
        data: bytes = encoded[offset[row] : offset[row + 1]].tobytes()
        if not self._verified and hashlib.sha256(data).hexdigest().encode() != self._tables.image["sha256"][i]:
            raise FormatError(f"{file.filename}: the picture {self.ids[i]} has been altered since it was written")
        return data

    def picture(self, i: int) -> Pixels:
        """Return the pixels, uint8 RGB, (height, width, 3), upright."""
        return decode_picture(self.encoded(i), self.ids[i])

    def human_map(self, i: int) -> npt.NDArray[np.float32]:
        """Return where people looked, on a small grid of the picture's shape; sums to 1.

        Raises
        ------
        InputError
            Nobody looked at the picture.
        """
        height, width = self._tables.image["shape"][i]
        if not height:
            raise InputError(f"{self.path}: nobody looked at {self.ids[i]}, so it has no attention map")
        return np.asarray(self.stored(i, "attention/map")[:height, :width], dtype=np.float32)

    def sha256_of(self, i: int) -> str:
        """Return the SHA-256 of a picture's file."""
        return str(self._tables.image["sha256"][i].decode())

    def viewing(self, i: int) -> Viewing:
        """Return the fixations on a picture, in its own pixels."""
        file, row = self._source(i)
        start, end = file["fixation/offset"][row : row + 2]
        x, y, duration = (file[f"fixation/{name}"][start:end].astype(np.float64) for name in ("x", "y", "duration_ms"))
        viewer, sigma = file["fixation/viewer"][start:end], float(self.sigma_px[i])
        return Viewing(self.ids[i], self.size(i), x, y, duration, viewer, self.participants, sigma)

    def fixations_of(self, i: int) -> pd.DataFrame:
        """Return the fixations on a picture: participant, x_picture, y_picture (its own pixels), duration_ms."""
        look = self.viewing(i)
        columns = {"x_picture": look.x, "y_picture": look.y, "duration_ms": look.duration_ms}
        names = pd.Series(look.names, dtype=object)
        return pd.DataFrame({"participant": names} | {k: v.astype(np.float32) for k, v in columns.items()})

    @property
    def fixations(self) -> pd.DataFrame:
        """The fixations on all pictures: image, and the columns of `fixations_of`."""
        parts = [self.fixations_of(i).assign(image=image) for i, image in enumerate(self.ids)]
        return pd.concat(parts, ignore_index=True)[["image", "participant", "x_picture", "y_picture", "duration_ms"]]

    # -- masks -------------------------------------------------------------------------------------------------

    def rectangles(self, i: int, condition: str) -> npt.NDArray[np.int64]:
        """Return the rectangles of a condition, (k, 4): top, left, bottom, right, half open, in picture pixels.

        For ``human-removed`` they are the ones that are taken away. ``original`` has one, the whole picture.
        k is 0 where there is no rectangle (nobody looked). Where masks are regions, they are the rectangles around the
        connected parts, the largest part first.
        """
        if condition == "original":
            return np.array([[0, 0, *self.sizes[i]]], dtype=np.int64)
        return self.masks(condition).rectangles(self._row(i), self.size(i))

    def mask(self, i: int, condition: str) -> Mask:
        """Return True where the picture is kept, (height, width)."""
        return self._mask(i, condition, self.size(i))

    def mask_at(self, i: int, condition: str, size: tuple[int, int]) -> Mask:
        """Return the mask at a (height, width), as `read` lays it over the picture."""
        return self._mask(i, condition, size)

    def has_mask(self, i: int, condition: str) -> bool:
        """Tell whether a picture has a mask in a condition: not where nobody looked (in its window of time)."""
        return condition == "original" or self._row(i) in self.masks(condition)

    def masks(self, condition: str) -> Rectangles | Regions:
        """Return the masks of a condition for all pictures, as they are stored."""
        if condition in self._extra:
            return self._extra[condition]
        if condition not in self._tables.mask:
            raise unknown_name("condition", condition, self.conditions)
        rectangles = self._tables.mask[condition]
        if rectangles is not None:
            return rectangles
        file = self._file(self.path)
        bits = file[f"mask/{condition}"]
        if not self._verified and GROUP in file:
            digests = self._row_digests(condition)
            bits = bits if digests is None else CheckedBits(bits, digests, self.path)
        return Regions(bits, condition in self._tables.outside)

    def with_rectangles(self, name: str, boxes: npt.ArrayLike) -> Dataset:
        """Return a view with one more condition, which keeps what lies in its rectangles, (N, k, 4) or (N, 4).

        Raises
        ------
        InputError
            A wrong shape, a name that is taken, or rectangles that leave their picture (named).
        """
        array = np.asarray(boxes)
        array = array[:, None] if array.ndim == 2 else array
        if array.ndim != 3 or array.shape[0] != len(self) or array.shape[2] != 4:
            raise InputError(f"rectangles must have the shape ({len(self)}, k, 4); found {np.shape(boxes)}")
        low, high, size = array[..., :2], array[..., 2:], self.sizes[:, None]
        wrong = ((low < 0) | (high > size) | (low > high)).any(axis=(1, 2))
        if wrong.any():
            names = ", ".join(self.ids[i] for i in np.flatnonzero(wrong)[:10])
            raise InputError(f"{name}: rectangles leave the picture, or are turned round: {names}")
        return self._with(name, Rectangles(array.astype(np.int32), people=self._tables.people))

    def with_regions(self, name: str, bits: Bits) -> Dataset:
        """Return a view with one more condition, which keeps regions, packed as `gazekit.shapes.packed.packed` does.

        Raises
        ------
        InputError
            A wrong shape, a name that is taken.
        """
        if bits.dtype != np.uint8 or bits.ndim != 3 or bits.shape[::2] != (len(self), -(-bits.shape[1] // 8)):
            raise InputError(
                f"regions must be uint8 of the shape ({len(self)}, side, side / 8); found {bits.dtype} {bits.shape}"
            )
        return self._with(name, Regions(bits))

    def with_masks(self, masks: Mapping[str, Rectangles | Regions]) -> Dataset:
        """Return a view with other masks, of its conditions or of further ones."""
        view = copy.copy(self)
        view._extra = {**self._extra, **masks}
        return view

    def _with(self, name: str, masks: Rectangles | Regions) -> Dataset:
        if name in self.conditions:
            raise InputError(f"the dataset has a condition {name!r} already")
        view = copy.copy(self)
        view._extra = {**self._extra, name: masks}
        return view

    def read(
        self,
        i: int,
        condition: str = "original",
        size: int | tuple[int, int] = 224,
        fill: str = "black",
        soft_px: float = 0.0,
    ) -> Pixels:
        """Return a picture for a network: resized to a square (or height, width), then masked; uint8 RGB.

        Decoded straight to about the size that is wanted; from the pixel cache where the dataset has one. What stands
        outside the mask (``fill``), and the width of a soft edge (``soft_px``, in pixels of the result), are those of
        `gazekit.shapes.masks.apply_mask`.
        """
        wanted = (size, size) if isinstance(size, int) else size
        pixels = self._resized(i, wanted)
        if condition == "original":
            return pixels
        return apply_mask(pixels, self._mask(i, condition, wanted), fill, soft_px)

    def batch(
        self,
        indices: npt.ArrayLike,
        condition: str = "original",
        size: int = 224,
        fill: str = "black",
        soft_px: float = 0.0,
    ) -> Pixels:
        """Return several pictures as `read` gives them, (n, size, size, 3)."""
        chosen = [self.read(int(i), condition, size, fill, soft_px) for i in np.asarray(indices)]
        return np.stack(chosen) if chosen else np.empty((0, size, size, 3), dtype=np.uint8)

    # -- for making datasets of datasets -------------------------------------------------------------------------

    def image_table(self, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Return the small columns of some pictures, as a part file holds them."""
        image = self._tables.image
        names = ("sha256", "width", "height", "phash", *ATTENTION)
        return {name: image[name][rows] for name in names} | {
            "id": [self.ids[i] for i in rows],
            "notes": [self._tables.notes[i] for i in rows],
        }

    def rating_table(self, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Return the ratings of some pictures: counts, n, mean, std, flags."""
        flags = read_text(self._file(self.path)["rating/flags"])
        columns = {name: column[rows] for name, column in self._tables.rating.items()}
        return columns | {"flags": [flags[i] for i in rows]}

    def stored(self, i: int, name: str) -> npt.NDArray[Any]:
        """Return a picture's row of a large column, as ``pixels/256``, as it is stored.

        Raises
        ------
        FormatError
            It was altered (where the dataset was opened without reading it whole).
        """
        file, row = self._source(i)
        altered = f"{file.filename}: {name} of the picture {self.ids[i]} has been altered"
        try:
            stored = np.asarray(file[name][row])
        except OSError as error:  # it cannot be unpacked any more
            raise FormatError(altered) from error
        digests = None if self._verified else self._row_digests(digest_name(name))
        if digests is not None and digest_of_row(stored) != digests[i]:
            raise FormatError(altered)
        return stored

    # -- inside ------------------------------------------------------------------------------------------------

    @cached_property
    def _tables(self) -> Tables:
        return read_tables(self._file(self.path), self.path)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {image: i for i, image in enumerate(self.ids)}

    @cached_property
    def caches(self) -> tuple[int, ...]:
        """Sides of the squares of pixels that are kept beside the encoded pictures."""
        return tuple(sorted(int(size) for size in self._source(0)[0].get("pixels", ())))

    def _row_digests(self, name: str) -> npt.NDArray[np.uint64] | None:
        """Return the digests of a condition's or a large column's rows; None where the dataset has none."""
        if name not in self._digests:
            column = self._file(self.path).get(f"{GROUP}/{name}")
            self._digests[name] = None if column is None else column[()]
        return self._digests[name]

    def _resized(self, i: int, wanted: tuple[int, int]) -> Pixels:
        self._row(i)
        cache = next((size for size in self.caches if size >= max(wanted)), None)
        if cache is not None:
            return resized(self.stored(i, f"pixels/{cache}"), *wanted)
        if {"alpha", "cmyk"} & set(self._tables.notes[i].split()):
            return resized(self.picture(i), *wanted)
        return decode_resized(self.encoded(i), self.ids[i], self.size(i), wanted)

    def _mask(self, i: int, condition: str, wanted: tuple[int, int]) -> Mask:
        if condition == "original":
            return np.ones(wanted, dtype=bool)
        return self.masks(condition).mask(self._row(i), self.size(i), wanted)

    def _row(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise InputError(f"pictures are numbered 0 to {len(self) - 1}; found {i}")
        return int(i)

    def _source(self, i: int) -> tuple[h5py.File, int]:
        """Return the file that holds a picture, and its row in it."""
        self._row(i)
        tables = self._tables
        if not tables.shards:
            return self._file(self.path), int(i)
        shard = int(np.searchsorted(tables.first, i, side="right")) - 1
        return self._file(tables.shards[shard]), int(i - tables.first[shard])

    def _encoded(self, file: h5py.File) -> tuple[npt.NDArray[np.int64], h5py.Dataset]:
        """Return where each picture's bytes begin in a file, and the bytes; looked up once a file."""
        known = self._bytes.get(file.id.id)
        if known is None:
            known = self._bytes[file.id.id] = (file["image/offset"][()], file["image/encoded"])
        return known

    def _file(self, path: Path) -> h5py.File:
        if self._files[0] != os.getpid():  # an HDF5 file that was opened before a fork must not be used after it
            self._files, self._bytes = (os.getpid(), {}), {}
        opened = self._files[1]
        if path not in opened:
            opened[path] = h5py.File(path, "r")
        return opened[path]
