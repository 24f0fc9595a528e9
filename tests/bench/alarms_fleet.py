"""A fleet of devices that scored real flights: what each counted, and the parcels that they would send home."""

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import numpy as np
from arro3.io import read_parquet
from numpy.typing import NDArray

from alarms_flights import Flights, Rows
from hakobu.fleet.folder import Fleet
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import SCHEMA, Parcel
from hakobu_runtime.format.window import Span, Window
from hakobu_runtime.journal.tallying import tally_of
from hakobu_runtime.trust import PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel, read_parcel
from hakobu_runtime.version import __version__

Spoil = Callable[[str, str, NDArray[np.int64]], NDArray[np.int64]]
"""Returns the slots that a device counted of a feature, from the day, the feature, and the true slots."""


def name_of(number: int) -> str:
    """Return the name of a device, as random as a real one's, and the same each time."""
    rng = np.random.default_rng(number)
    return str(UUID(bytes=rng.bytes(16), version=4))


def write_fleet(
    folder: Path,
    flights: Flights,
    device_of: NDArray[np.int64],
    truths: NDArray[np.float64] | None = None,
    spoilt: Mapping[int, Spoil] | None = None,
) -> Fleet:
    """Write the parcels of a fleet into `folder`, one a device; row `i` was scored by device `device_of[i]`.

    `truths` are the labels that came late, as places among the classes, NaN where none came.
    """
    fleet = Fleet(folder)
    for number in np.unique(device_of).tolist():
        rows = np.flatnonzero(device_of == number)
        key = PrivateKey.generate()
        parcel = _parcel(name_of(number), key, flights, flights.by_day(rows), truths, (spoilt or {}).get(number))
        content = pack_parcel(parcel, key)
        fleet.take(read_parcel(content, "a parcel"), content)
    return fleet


def _parcel(
    name: str,
    key: PrivateKey,
    flights: Flights,
    days: Mapping[str, Rows],
    truths: NDArray[np.float64] | None,
    spoil: Spoil | None,
) -> Parcel:
    model, tallies, outcomes = flights.subject.model, [], []
    for day, rows in days.items():
        window = Window(day, Span.DAY)
        changed = {} if spoil is None else {one: spoil(day, one, slots[rows]) for one, slots in flights.slots.items()}
        tallies.append(tally_of(name, model, "e", window, (flights.count(rows, changed), 1)))
        if truths is not None:
            counts = flights.outcomes(rows, truths)
            outcomes.append(Outcome(OUTCOME, name, model, window, 1, "e", flights.subject.unit, counts))
    made, public = f"{max(days)}T23:59:00+00:00", key.public.pem.decode()
    return Parcel(SCHEMA, name, public, 1, made, __version__, "Linux x86_64", (), tuple(tallies), tuple(outcomes))


def read_truths(files: list[Path], column: str = "late15") -> NDArray[np.float64]:
    """Return the labels in `files`, row by row, NaN where there is none."""
    columns = [read_parquet(file).read_all().column(column) for file in files]
    cells = [cells[row].as_py() for cells in columns for row in range(len(cells))]
    return np.array([np.nan if cell is None else float(cell) for cell in cells])
