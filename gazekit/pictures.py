"""Pictures by id: where their files are, and their pixels."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import re
import struct
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.config import Section
from gazekit.core.counting import counted
from gazekit.core.decoders import heard, listening
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.files import existing_file, sha256
from gazekit.core.tables import in_one_form, read_table
from gazekit.core.types import Pixels

SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
Size = tuple[int, int]  # height, width
_BITS_A_SAMPLE = 258  # of TIFF's tags
_QUARTER_TURNS = range(5, 9)  # of EXIF's orientation
_GPS = 0x8825  # of EXIF: the part that says where
_LOSSES = ("Corrupt JPEG data", "Premature end of JPEG file")  # what libjpeg says where it goes on with grey
_TOLD: set[tuple[str, str]] = set()  # pictures, and what a library said of them
_SHRINKING = ("JPEG", "MPO")  # kinds that are decoded faster at a part of their size
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
_FILTERS = threading.Lock()  # what is to be done of warnings holds for the whole process
_SHRUNK = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


_SHRUNK_GREY = {
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


class PicturesSection(Section):
    """``[pictures]``: a folder, or a CSV list with the columns image (id) and file."""

    folder: Path | None = None
    list: Path | None = None


@dataclass(frozen=True)
class Picture:
    """A picture: its id in every table, and its file."""

    image: str
    file: Path


def list_pictures(
    pictures: str | Path | PicturesSection, base: str | Path = "", *, missing: bool = False
) -> list[Picture]:
    """List the pictures of a folder, a CSV list or a study, sorted by id.

    Parameters
    ----------
    pictures : path or PicturesSection
        A folder gives every picture file in it (the id is the file's name); a CSV list has the columns ``image`` and
        ``file`` (relative to the list), where ``skimage:NAME`` is a photograph that scikit-image carries; one picture
        file is itself. Or the section of a study file.
    base : path
        Folder that the section's paths are relative to.
    missing : bool
        List files that are not there too: who reads them names them and goes on. Of a folder, dangling links and
        folders with a picture's name are always listed.

    Raises
    ------
    InputError
        No such folder, list or picture.
    ConfigError
        The section names neither or both; no pictures, an id twice, files that are missing (all are named).

    Examples
    --------
    >>> from skimage import data
    >>> [picture.image for picture in list_pictures(Path(data.__file__).parent)][:2]
    ['astronaut.png', 'brick.png']
    """
    where = ""
    if isinstance(pictures, PicturesSection):
        where = "[pictures] "
        if (pictures.folder is None) == (pictures.list is None):
            raise ConfigError("[pictures] needs either folder or list")
        source = Path(base) / str(pictures.folder or pictures.list)
        if pictures.folder is not None and not source.is_dir():
            raise ConfigError(f"[pictures] folder: no such folder: {source}")
    else:
        source = Path(pictures)
        if not source.exists():
            raise InputError(f"no such folder of pictures, and no such picture list: {source}")
    listed = _listed(source)
    if not listed:
        raise ConfigError(f"{where}has no picture in it: {source}" if where else f"{source} has no picture in it")
    gone = [] if missing or source.is_dir() else [p for p in listed if not p.file.is_file()]
    faults = [f"{p.image}: no such file {p.file}" for p in gone]
    times = Counter(p.image for p in listed)
    written = " (ways to write its accents are one name)" if source.is_dir() else ""
    faults += [f"{name} stands {count} times{written}" for name, count in sorted(times.items()) if count > 1]
    if faults:
        raise ConfigError(where + "; ".join(faults[:20]))
    return sorted(listed, key=lambda p: p.image)


def _listed(source: Path) -> list[Picture]:
    if source.is_dir():
        # "._NAME" is what macOS leaves beside NAME on other systems' disks
        files = [f for f in sorted(source.iterdir()) if f.suffix.lower() in SUFFIXES and not f.name.startswith("._")]
        return [Picture(in_one_form(f.name), f) for f in files]
    if source.suffix.lower() in SUFFIXES:
        return [Picture(in_one_form(source.name), source)]
    table = read_table(source, ["image", "file"], "picture list")
    empty = table[["image", "file"]].isna().any(axis=1).to_numpy().nonzero()[0]
    if len(empty):
        rows = ", ".join(str(row + 1) for row in empty[:10])
        raise ConfigError(f"{source}: {counted(len(empty), 'row')} without image or file (counted from 1): {rows}")
    return [
        Picture(image, _resolve(file, source.parent)) for image, file in zip(table["image"], table["file"], strict=True)
    ]


def copies(pictures: Iterable[Picture]) -> list[list[str]]:
    """Return the ids of pictures whose files are the same, byte for byte, under several ids."""
    by_size: dict[int, list[Picture]] = {}
    for picture in pictures:
        by_size.setdefault(picture.file.stat().st_size, []).append(picture)
    same: dict[str, list[str]] = {}
    for alike in by_size.values():
        for picture in alike if len(alike) > 1 else ():
            same.setdefault(sha256(picture.file), []).append(picture.image)
    return sorted(ids for ids in same.values() if len(ids) > 1)


def says_where(file: Path) -> bool:
    """Tell whether a picture's EXIF says where on earth it was taken."""
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.simplefilter("ignore")  # of a damaged EXIF
            return bool(image.getexif().get_ifd(_GPS))
    except (OSError, ValueError, SyntaxError, struct.error):  # no picture that can be read says anything
        return False


def match_names(names: Iterable[str], images: Iterable[str]) -> dict[str, str]:
    """Match names of pictures in other programs' files with ids: the folder, the case and the suffix may differ.

    Names may be percent-encoded, as addresses of pages are.

    A name that fits several ids, or none, is left out; so is one of another file, where a name that fits more closely
    has the id already, and where several files' names fit it alike.
    """
    names, images = list(names), list(images)
    matched = {name: name for name in set(names) & set(images)}
    for looseness in range(3):
        times = Counter(_form(image, looseness) for image in images)
        by_form = {form: image for image in images if times[form := _form(image, looseness)] == 1}
        fits = {name: by_form.get(_form(name, looseness)) for name in names if name not in matched}
        found = {name: image for name, image in fits.items() if image}
        files = {name: file for name, image in found.items() if (file := _other_file(name, image))}
        claims = Counter(image for image, _ in {(found[name], file) for name, file in files.items()})
        free = {image for image in found.values() if claims[image] == 1} - set(matched.values())
        matched |= {name: image for name, image in found.items() if name not in files or image in free}
    return matched


def _other_file(name: str, image: str) -> str:
    """Return which file a name is of, where it is neither a part of an id nor an absolute path to it."""
    path, base, own = unquote(name).replace("\\", "/"), _base(name), _base(image)
    if base != own:
        return base if Path(base).suffix else ""
    here = path == base or (_ABSOLUTE.match(path) and path.endswith(f"/{image}"))
    return "" if here else path


def _base(name: str) -> str:
    return in_one_form(unquote(name).replace("\\", "/").rsplit("/", 1)[-1].strip())


def _form(name: str, looseness: int) -> str:
    """Take from a name its folder, then its case, then its suffix."""
    base = _base(name)
    return base if looseness == 0 else base.casefold() if looseness == 1 else Path(base).stem.casefold()


@dataclass(frozen=True)
class PictureInfo:
    """What a picture file says of itself, before its pixels are decoded."""

    width: int  # as stored, before any turning upright
    height: int
    kind: str  # JPEG, PNG, ...
    notes: tuple[str, ...] = ()  # of: alpha, animated, cmyk, 16-bit, turned, damaged
    upright: Size = (0, 0)  # height and width as `decode_picture` gives it


def read_picture(path: str | Path) -> Pixels:
    """Read the pixels of a picture file: uint8 RGB, shape (height, width, 3), turned upright by its EXIF.

    Raises
    ------
    InputError, FormatError
        No such file, an empty one, or not a picture.
    """
    path = existing_file(path, "picture")
    return decode_picture(path.read_bytes(), str(path))


def decode_picture(encoded: bytes, name: str) -> Pixels:
    """Decode a picture, as `read_picture` does; ``name`` is for the message.

    Alpha is laid over white, CMYK becomes RGB, 16 bits become 8, of an animation the first frame is taken.

    Raises
    ------
    FormatError
        Not a picture, cut off, or of more than about 89 million pixels.
    """
    return examine_picture(encoded, name)[1]


def examine_picture(
    encoded: bytes, name: str, wanted: Callable[[Size], Size] | None = None
) -> tuple[PictureInfo, Pixels]:
    """Return what a picture says of itself, and its pixels; errors as `decode_picture`.

    ``wanted`` : the size at which a picture of some upright size is needed. A JPEG that is twice as large or more
    comes at a half, a quarter or an eighth of its size, never smaller than wanted: much of the decoding is then saved.
    """
    info = inspect_picture(encoded, name)
    if {"alpha", "cmyk"} & set(info.notes):
        return _whole(info, _decode_with_pillow(encoded, name))
    if not _ends_well(encoded, info.kind):
        _decode_with_pillow(encoded, name)  # says so if the file is cut off
    if wanted is not None and info.kind in _SHRINKING:
        pixels, said = _decode(encoded, name, shrink_for(info.upright, wanted(info.upright)))
        return _marked(info, said), pixels
    pixels, said = _decode(encoded, name)
    return _whole(_marked(info, said), pixels)


def examine_grey(encoded: bytes, name: str, least: int) -> tuple[PictureInfo, Pixels]:
    """Return what a picture says of itself, and its pixels; of a JPEG grey ones, (h, w), and fewer.

    The whole file is read, so that what is damaged is found, with the errors of `decode_picture`. A JPEG comes at a
    half, a quarter or an eighth of its size as long as its shorter side has ``least`` pixels; others come as they are.
    """
    info = inspect_picture(encoded, name)
    shorter = min(info.upright)
    if info.kind not in _SHRINKING or shorter < 2 * least or "cmyk" in info.notes or not _ends_well(encoded, info.kind):
        return examine_picture(encoded, name)
    shrink = shrink_for(info.upright, (least, least))
    grey, said = decode_as(encoded, _SHRUNK_GREY[shrink], name)
    if grey is None or grey.shape != tuple(-(-side // shrink) for side in info.upright):
        return examine_picture(encoded, name)
    return _marked(info, said), np.asarray(grey, dtype=np.uint8)


def _marked(info: PictureInfo, said: list[str]) -> PictureInfo:
    damaged = any(line.startswith(_LOSSES) for line in said)
    return dataclasses.replace(info, notes=(*info.notes, "damaged")) if damaged else info


def _whole(info: PictureInfo, pixels: Pixels) -> tuple[PictureInfo, Pixels]:
    return dataclasses.replace(info, upright=(pixels.shape[0], pixels.shape[1])), pixels


def shrink_for(stored: Size, wanted: Size) -> int:
    """Return by how much (1, 2, 4 or 8) a decoder may shrink a stored picture that is wanted at another size."""
    room = min(stored[0] / wanted[0], stored[1] / wanted[1])
    return 8 if room >= 8 else 4 if room >= 4 else 2 if room >= 2 else 1


def inspect_picture(encoded: bytes, name: str) -> PictureInfo:
    """Read size, kind and peculiarities of a picture from its header; errors as `decode_picture`."""
    from PIL import Image, UnidentifiedImageError

    if not encoded:
        raise FormatError(f"{name} is empty (0 bytes)")
    try:
        with _FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(encoded)) as image:
                turn = _orientation(image, encoded)
                upright = image.size if turn in _QUARTER_TURNS else image.size[::-1]
                return PictureInfo(*image.size, str(image.format), _notes(image, encoded, turn), upright)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise FormatError(f"{name} is too large to be decoded safely: {error}") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError, struct.error):
        pixels = decode_plain(encoded, name)  # some kinds only OpenCV knows
        return PictureInfo(pixels.shape[1], pixels.shape[0], "other", (), (pixels.shape[0], pixels.shape[1]))


def decode_plain(encoded: bytes | npt.NDArray[np.uint8], name: str, shrink: int = 1) -> Pixels:
    """Decode without looking at the header: right for all but alpha and CMYK.

    ``shrink`` of 2, 4 or 8 gives a JPEG at that part of its size, which is much faster than decoding it whole. Other
    kinds come whole: OpenCV would shrink them by leaving pixels out.
    """
    return _decode(encoded, name, shrink)[0]


def _decode(encoded: bytes | npt.NDArray[np.uint8], name: str, shrink: int = 1) -> tuple[Pixels, list[str]]:
    """Do what `decode_plain` does; return what the library said too."""
    shrink = shrink if bytes(encoded[:2]) == b"\xff\xd8" else 1
    pixels, said = decode_as(encoded, _SHRUNK[shrink], name)
    if pixels is None:
        found = "; ".join(said) or f"{counted(len(encoded), 'byte')}, begins {bytes(encoded[:8])!r}"
        raise FormatError(f"{name} is not a picture that can be decoded ({found})")
    if shrink > 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return np.asarray(pixels, dtype=np.uint8), said


def decode_as(
    encoded: bytes | npt.NDArray[np.uint8], flags: int, name: str
) -> tuple[npt.NDArray[Any] | None, list[str]]:
    """Decode as OpenCV's flags say; None where it cannot be. Return what the library says of the picture too.

    It is also said on standard error, once, by the picture's ``name``; of one that cannot be decoded who calls says it.
    """

    def decode() -> tuple[npt.NDArray[Any] | None, list[str]]:
        try:
            return cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), flags), []
        except cv2.error as error:
            return None, [str(error.err)]

    (pixels, fault), said = heard(decode)
    if pixels is not None:
        _tell(name, said)
    return pixels, said + fault


def _tell(name: str, said: list[str]) -> None:
    for line in said:
        if (name, line) not in _TOLD:
            _TOLD.add((name, line))
            sys.stderr.write(f"{name}: {line}\n")  # at once: threads that write a line would mix them


def _orientation(image: Any, encoded: bytes) -> Any:
    """Return what EXIF says of how a picture was held, for the kinds that OpenCV turns upright."""
    if image.format in ("JPEG", "MPO", "TIFF", "WEBP") or (image.format == "PNG" and b"eXIf" in encoded):
        return image.getexif().get(0x0112, 1)
    return 1


def _notes(image: Any, encoded: bytes, turn: Any) -> tuple[str, ...]:
    deep = (
        image.mode in ("I", "F")
        or image.mode.startswith("I;")
        or (image.format == "PNG" and encoded[24:25] == b"\x10")
        or (image.format == "TIFF" and max(image.tag_v2.get(_BITS_A_SAMPLE, (8,))) > 8)
    )
    notes = {
        "alpha": image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info,
        "animated": image.format != "MPO" and getattr(image, "n_frames", 1) > 1,
        "cmyk": image.mode == "CMYK",
        "16-bit": deep,
        "turned": turn not in (0, 1),
    }
    return tuple(name for name, present in notes.items() if present)


def _ends_well(encoded: bytes, kind: str) -> bool:
    """Return whether the file's end stands where it should; OpenCV fills what is missing with grey."""
    if kind in ("WEBP", "other"):
        return True
    marker = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND"}.get(kind)
    return marker is not None and marker in encoded[-32:]


def _decode_with_pillow(encoded: bytes, name: str) -> Pixels:
    from PIL import Image, ImageOps

    try:
        with listening(), Image.open(io.BytesIO(encoded)) as image:
            image.load()
            with _FILTERS, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a damaged EXIF
                upright = ImageOps.exif_transpose(image)
            if upright.mode in ("RGBA", "LA", "PA", "P", "La", "RGBa") or "transparency" in upright.info:
                colour = upright.convert("RGBA")
                white = Image.new("RGBA", colour.size, "white")
                upright = Image.alpha_composite(white, colour)
            return np.array(upright.convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise FormatError(f"{name} is not a whole picture: {error}") from None


def _resolve(file: str, folder: Path) -> Path:
    if file.startswith("skimage:"):
        spec = importlib.util.find_spec("skimage")
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent / "data" / file.removeprefix("skimage:")
    return folder / file
