"""The same damages on a journal, on an MCAP file and on an XDF file: what each lost, what each said, what each made up.

    python -m tests.benchmarks.test_capture_damage --damages 1000

The journal is read by gazekit, MCAP by `mcap`'s streaming reader (CRCs checked), XDF by `pyxdf`. All hold the same
6,000 samples (20 s at 300 Hz), in packets of 18. The XDF file is written here after its specification, with a boundary
chunk every ten seconds, as LabRecorder writes them. The figures are recorded where ``GAZEKIT_FIGURES=1`` is set.
"""

from __future__ import annotations

import argparse
import io
import logging
import struct
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import GazekitError
from gazekit.session.journal import END, Journal, JournalWriter
from gazekit.session.samples import SAMPLE, Block
from tests.benchmarks.figures import record
from tests.fixtures.journals import HEADER, harmed, some_rows

SAMPLES, PACKET = 6000, 18
BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
COMMAND = "python -m tests.benchmarks.test_capture_damage --damages 1000"


@dataclass(frozen=True)
class Read:
    """What came of a damaged file: samples that are right, that are not what was written, and what was said."""

    right: int
    wrong: int
    said: bool


def packets(rows: Block) -> Iterator[Block]:
    """Yield the samples as a tracker's driver delivers them."""
    yield from (rows[start : start + PACKET] for start in range(0, len(rows), PACKET))


def write_journal(path: Path, rows: Block) -> None:
    """Write our journal."""
    journal = JournalWriter(path, HEADER)
    for packet in packets(rows):
        journal.block("gaze", packet)
    journal.end({"complete": True})
    journal.close()


def read_journal(path: Path) -> tuple[list[bytes], bool]:
    """Return samples as bytes, and whether something was said."""
    try:
        journal = Journal(path)
        samples = [row.tobytes() for entry in journal.records("gaze") for row in entry.rows()[1]]
        ended = any(entry.kind == END for entry in journal.others())
    except GazekitError:
        return [], True
    return samples, bool(journal.damage) or journal.missing_records > 0 or not ended


def write_mcap(path: Path, rows: Block) -> None:
    """Write an MCAP file, in chunks of 64 kB that have a CRC each."""
    from mcap.writer import CompressionType, Writer

    with open(path, "wb") as file:
        writer = Writer(file, chunk_size=1 << 16, compression=CompressionType.NONE)
        writer.start()
        schema = writer.register_schema("gaze", "", b"")
        channel = writer.register_channel("gaze", "raw", schema)
        for n, packet in enumerate(packets(rows)):
            stamp = int(packet["system_time_us"][0]) * 1000
            writer.add_message(channel, stamp, packet.tobytes(), stamp, n)
        writer.finish()


def read_mcap(path: Path) -> tuple[list[bytes], bool]:
    """Return samples as bytes, and whether something was said."""
    from mcap.records import Message
    from mcap.stream_reader import StreamReader

    samples: list[bytes] = []
    try:
        for entry in StreamReader(io.BytesIO(path.read_bytes()), validate_crcs=True).records:
            if isinstance(entry, Message):
                data, size = entry.data, SAMPLE.itemsize
                samples += [data[at : at + size] for at in range(0, len(data), size)]
    except Exception:  # whatever it is, it is said
        return samples, True
    return samples, False


def write_xdf(path: Path, rows: Block) -> None:
    """Write an XDF file: a stream of doubles, the first channel the number of the sample."""
    header = (
        b"<?xml version='1.0'?><info><name>gaze</name><type>Gaze</type><channel_count>7</channel_count>"
        b"<nominal_srate>300</nominal_srate><channel_format>double64</channel_format><desc/></info>"
    )
    with open(path, "wb") as file:
        file.write(b"XDF:" + _chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>"))
        file.write(_chunk(2, struct.pack("<I", 1) + header))
        for n, packet in enumerate(packets(rows)):
            if n % (3000 // PACKET) == 0:
                file.write(_chunk(5, BOUNDARY))
            values = _channels(packet)
            content = b"".join(
                b"\x08" + struct.pack("<d", row["system_time_us"] / 1e6) + line.tobytes()
                for row, line in zip(packet, values, strict=True)
            )
            file.write(_chunk(3, struct.pack("<I", 1) + b"\x01" + bytes([len(packet)]) + content))
        file.write(_chunk(6, struct.pack("<I", 1) + b"<?xml version='1.0'?><info/>"))


def read_xdf(path: Path) -> tuple[list[bytes], bool]:
    """Return samples as bytes of the journal's rows where their numbers are right, and whether something was said."""
    import pyxdf

    told: list[logging.LogRecord] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = told.append  # type: ignore[method-assign]
    logging.getLogger("pyxdf").addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False, synchronize_clocks=False)
        samples = [
            np.float64(stamp).tobytes() + np.ascontiguousarray(line, dtype="<f8").tobytes()
            for stream in streams
            for stamp, line in zip(stream["time_stamps"], stream["time_series"], strict=False)
        ]
    except Exception:  # whatever it is, it is said
        return [], True
    finally:
        logging.getLogger("pyxdf").removeHandler(handler)
    return samples, bool(told or warned) or not streams


def compare(name: str, content: bytes, written: list[bytes], rng: np.random.Generator, path: Path) -> Read | None:
    """Damage a file, read it, and judge what came back; None where the damage changed nothing."""
    damaged = harmed(content, rng)
    if damaged == content:
        return None
    path.write_bytes(damaged)
    samples, said = READERS[name][1](path)
    place = {sample: n for n, sample in enumerate(written)}
    numbers = [place.get(sample, -1) for sample in samples]
    in_order = [n for n, before in zip(numbers, [-1, *numbers], strict=False) if n > before]
    return Read(len(set(in_order)), len(samples) - len(set(in_order)), said)


READERS: dict[str, tuple[Callable[[Path, Block], None], Callable[[Path], tuple[list[bytes], bool]]]] = {
    "journal": (write_journal, read_journal),
    "MCAP": (write_mcap, read_mcap),
    "XDF": (write_xdf, read_xdf),
}


def damages(count: int, seed: int = 1) -> dict[str, list[Read]]:
    """Do the same damages to all three."""
    rows = some_rows(SAMPLES, np.random.default_rng(0))
    rows["device_time_us"] = np.arange(SAMPLES) * 10_000 // 3
    rows["system_time_us"] = rows["device_time_us"] + 500
    results: dict[str, list[Read]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, _) in READERS.items():
            path = Path(folder) / f"{name}.bin"
            write(path, rows)
            written = [row.tobytes() for row in rows]
            if name == "XDF":
                stamps = rows["system_time_us"] / 1e6
                written = [
                    np.float64(stamp).tobytes() + line.tobytes()
                    for stamp, line in zip(stamps, _channels(rows), strict=True)
                ]
            whole = READERS[name][1](path)
            assert whole == (written, False), f"{name}: the whole file reads back"
            content = path.read_bytes()
            reads = [compare(name, content, written, np.random.default_rng([seed, n]), path) for n in range(count)]
            results[name] = [read for read in reads if read is not None]
    return results


def told(reads: list[Read]) -> str:
    """Say it in one line."""
    count = len(reads)
    lost = Counter("silent" if not r.said else "said" for r in reads if r.right < SAMPLES)
    lied = Counter("silent" if not r.said else "said" for r in reads if r.wrong)
    back = np.mean([r.right for r in reads]) / SAMPLES
    return (
        f"{back:.1%} of the samples came back on average; lost in silence {lost['silent']} of {count}; samples that "
        f"nobody wrote, in silence {lied['silent']}, with a word {lied['said']}"
    )


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def _channels(rows: Block) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    number = np.round(rows["device_time_us"] * 3 / 10_000)
    columns = [number, *rows["left_gaze"].T, rows["left_valid"], *rows["left_gaze"].T[::-1], rows["device_time_us"]]
    return np.ascontiguousarray(np.stack(columns, axis=1), dtype="<f8")


@pytest.mark.benchmark
def test_the_journal_makes_nothing_up_and_says_what_it_lost() -> None:
    results = damages(60)
    assert not any(read.wrong for read in results["journal"])
    assert not any(read.right < SAMPLES and not read.said for read in results["journal"])


def main() -> None:
    """Measure and record all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damages", type=int, default=1000)
    count = parser.parse_args().damages
    for name, reads in damages(count).items():
        print(f"{name}: {told(reads)}", flush=True)
        record(
            "capture",
            f"{count} damages on a {name}{'' if name == 'journal' else ' file'}",
            told(reads),
            data="6,000 samples in packets of 18; cut, bits flipped, stretches lost, doubled, overwritten, zeroed",
            command=COMMAND,
            bar="nothing made up, nothing lost in silence" if name == "journal" else "",
            developed_on=False,
        )


if __name__ == "__main__":
    main()
