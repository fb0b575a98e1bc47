"""A Pro Lab export with all of its traps, made by hand: one trial of a picture between a calibration and its end."""

from __future__ import annotations

from pathlib import Path

OLD = {
    "time": "Recording timestamp",
    "device": "Eyetracker timestamp",
    "gaze": "Gaze point {} {}",
    "pupil": "Pupil diameter {}",
    "origin": "Eye position {} {} (DACSmm)",
    "fixation": "Fixation point {}",
    "place": "Presented Media position {} (DACSpx)",
    "media": "Presented Media {}",
    "screen": "Recording resolution {}",
    "original": "Original Media {}",
}
NEW = {
    "time": "Recording timestamp [μs]",
    "device": "Eyetracker timestamp [μs]",
    "gaze": "Gaze point {} {} [DACS px]",
    "pupil": "Pupil diameter {} [mm]",
    "origin": "Eye position {} {} [DACS mm]",
    "fixation": "Fixation point {} [DACS px]",
    "place": "Presented Media position {} [DACS px]",
    "media": "Presented Media {} [px]",
    "screen": "Recording resolution {} [px]",
    "original": "Original Media {} [px]",
}


def columns(names: dict[str, str]) -> list[str]:
    sides = ("left", "right")
    return [
        names["time"],
        *("Sensor", "Participant name", "Recording name", names["device"], "Event", "Event value"),
        *(names["gaze"].format(side, axis) for side in sides for axis in "XY"),
        *(names["pupil"].format(side) for side in sides),
        *(f"Validity {side}" for side in sides),
        *(names["origin"].format(side, axis) for side in sides for axis in "XYZ"),
        *("Presented Stimulus name", "Eye movement type", "Eye movement type index"),
        *(names["fixation"].format(axis) for axis in "XY"),
        *(names["place"].format(axis) for axis in "XY"),
        *(names["media"].format(name) for name in ("width", "height")),
        *(names["original"].format(name) for name in ("width", "height")),
        *(names["screen"].format(name) for name in ("width", "height")),
        "AOI hit [reef - Ray]",
    ]


def write(
    path: Path,
    *,
    names: dict[str, str] = NEW,
    unit_us: float = 1.0,
    decimal: str = ".",
    encoding: str = "utf-8",
    people: tuple[str, ...] = ("P01",),
    events: bool = True,
) -> Path:
    """Per person: 3 samples of the calibration, 8 of a picture of 800x600 at (560, 240), 2 of nothing."""
    header = columns(names)
    rows = [line for person in people for line in _recording(names, header, person, unit_us, events)]
    lines = [
        "\t".join(header),
        *("\t".join(row.get(name, "") for name in header).replace(".", decimal) for row in rows),
    ]
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return path


def _recording(
    names: dict[str, str], header: list[str], person: str, unit_us: float, events: bool
) -> list[dict[str, str]]:
    common = {"Participant name": person, "Recording name": "Recording1"}
    common |= {names["screen"].format("width"): "1920", names["screen"].format("height"): "1080"}
    rows = []

    def stamp(us: float) -> str:
        return f"{us / unit_us:.0f}"

    def event(us: float, what: str, value: str = "") -> None:
        if events:
            rows.append({**common, names["time"]: stamp(us), "Event": what, "Event value": value})

    def other_sensor(us: float) -> None:
        rows.append({**common, names["time"]: stamp(us), "Sensor": "Mouse", names["gaze"].format("left", "X"): "1"})

    def sample(n: int, us: float, shown: str) -> None:
        row = {
            **common,
            names["time"]: stamp(us),
            "Sensor": "Eye Tracker",
            names["device"]: f"{5_000_000_000 + us:.0f}",
        }
        row |= {"Presented Stimulus name": shown, "Validity left": "Valid", "AOI hit [reef - Ray]": "0"}
        row |= {"Validity right": "Invalid" if n == 2 else "Valid"}
        row |= {"Eye movement type": ("Fixation", "Saccade", "EyesNotFound", "Unclassified")[n // 3]}
        row |= {"Eye movement type index": str(n // 3 + 1)}
        for side, shift in (("left", -4), ("right", 4)):
            if side == "right" and n == 2:
                continue
            row |= {names["gaze"].format(side, "X"): f"{960 + 10 * n + shift}", names["gaze"].format(side, "Y"): "540"}
            row |= {names["pupil"].format(side): f"{3.25 + n / 100:.2f}"}
            row |= {names["origin"].format(side, a): v for a, v in zip("XYZ", ("260.5", "100.25", "640"), strict=True)}
        if n < 3:
            row |= {names["fixation"].format("X"): "970", names["fixation"].format("Y"): "540"}
        if shown == "reef":
            row |= dict(zip((names["place"].format(a) for a in "XY"), ("560", "240"), strict=True))
            row |= dict(zip((names["media"].format(a) for a in ("width", "height")), ("800", "600"), strict=True))
            row |= dict(zip((names["original"].format(a) for a in ("width", "height")), ("400", "300"), strict=True))
        rows.append(row)

    event(0, "RecordingStart")
    event(100, "Eye tracker Calibration start")
    for n in range(3):
        sample(n, 1000 + 3333 * n, "Eyetracker Calibration")
    event(11_000, "Eye tracker Calibration end")
    event(19_000, "ImageStimulusStart", "reef")
    for n in range(8):
        sample(n, 20_000 + 3333 * n, "reef")
        other_sensor(20_100 + 3333 * n)
    event(46_000, "ImageStimulusEnd", "reef")
    event(46_100, "KeyboardEvent", "5")
    for n in range(8, 10):
        sample(n, 20_000 + 3333 * n, "")
    event(60_000, "RecordingEnd")
    return rows
