"""`hakobu-run keep` and `hakobu-run outcomes`: predictions wait for their labels, and counts of the two come of it."""

from dataclasses import dataclass, field
from pathlib import Path

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.outcomes_ids import Hasher
from hakobu_runtime.device.outcomes_joining import Found, join
from hakobu_runtime.device.outcomes_labels import Read, Reading, Refusal, table_of
from hakobu_runtime.device.outcomes_setting import Keep, read_keep, turn_off, turn_on
from hakobu_runtime.device.outcomes_store import Store, Waiting
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.errors import InputError, StateError
from hakobu_runtime.format.outcome import Subject
from hakobu_runtime.rows.source import Layout


@dataclass(frozen=True, slots=True)
class Keeping:
    """Whether predictions are kept, and how many wait."""

    keep: Keep | None
    waiting: tuple[Waiting, ...]
    forgotten: int = 0

    def plain(self) -> dict[str, object]:
        """Return it for JSON; the salt stays where it is."""
        models = [
            {"model": one.subject.model.name, "version": one.subject.model.version, "digest": one.subject.model.digest,
             "rows": one.rows, "first": one.first, "last": one.last}
            for one in self.waiting
        ]  # fmt: skip
        days, ids = (self.keep.days, list(self.keep.ids)) if self.keep else (None, [])
        return {"days": days, "id_columns": ids, "forgotten": self.forgotten, "kept": models}

    def words(self) -> str:
        """Return it in a few lines."""
        if self.keep is None:
            gone = f"; {self.forgotten:,} that were kept are deleted" if self.forgotten else ""
            return f"predictions are not kept{gone}; turn that on with: hakobu-run keep --days 90"
        lines = [f"predictions are kept for {self.keep.days} days of use, under hashes of their ids"]
        for one in self.waiting:
            if one.rows:
                model = one.subject.model
                lines.append(f"  {one.rows:,} of {model.name} {model.version}, {one.first} to {one.last}")
        return "\n".join(lines)


@dataclass(slots=True)
class Joined:
    """What came of a table of labels."""

    name: str
    path: Path
    read: Read
    refusals: list[Refusal]
    new: int = 0
    corrected: int = 0
    unchanged: int = 0
    unknown: int = 0
    """Labels of ids of which no prediction is kept."""

    def note(self, found: Found) -> None:
        """Take in what became of some labels."""
        self.new += found.new
        self.corrected += found.corrected
        self.unchanged += found.unchanged
        self.unknown += found.unknown

    @property
    def joined(self) -> int:
        """How many labels found their prediction."""
        return self.new + self.corrected + self.unchanged

    def plain(self) -> dict[str, object]:
        """Return it for JSON."""
        return {
            "model": self.name,
            "labels": self.read.rows,
            "joined": self.joined,
            "new": self.new,
            "corrected": self.corrected,
            "unchanged": self.unchanged,
            "unknown": self.unknown,
            "empty": self.read.empty,
            "repeated": self.read.repeated,
            "refused": self.read.refused,
            "refusals": [{"row": one.row, "reason": one.reason} for one in self.refusals],
        }

    def words(self) -> str:
        """Return it in a few lines."""
        read = self.read
        parts = [f"{many:,} {what}" for many, what in (
            (self.new, "new"), (self.corrected, "corrected"), (self.unchanged, "known before"),
        ) if many]  # fmt: skip
        lines = [f"{self.path}: joined {self.joined:,} of {read.rows:,} rows{': ' if parts else ''}{', '.join(parts)}"]
        for many, what in (
            (read.empty, "without an id or without a label"),
            (self.unknown, "of ids of which no prediction is kept"),
            (read.repeated, "whose id comes again further down, which holds"),
            (read.refused, "refused"),
        ):
            lines += [f"  {many:,} {what}"] if many else []
        lines += [f"  row {one.row}: {one.reason}" for one in self.refusals[:5]]
        return "\n".join(lines)

    def refuse(self) -> None:
        """Raise what the command has to end with when not all is well."""
        if self.read.refused:
            raise InputError(
                f"{self.path}: {self.read.refused:,} of {self.read.rows:,} rows are refused, and the others are taken "
                "in; mend those rows and run the same command again: what is known is not counted twice"
            )
        if self.unknown and not self.joined:
            raise InputError(
                f"{self.path}: none of the {self.unknown:,} ids has a kept prediction; check --id, and that these rows "
                "were scored on this device after 'hakobu-run keep' was turned on"
            )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the arguments and flags of `outcomes` ask for."""

    path: Path
    ids: tuple[str, ...] = ()
    label: str | None = None
    model: str | None = None
    layout: Layout = field(default_factory=Layout)


def keep_command(folder: Path | None, days: int | None, ids: tuple[str, ...], *, off: bool) -> Keeping:
    """Turn the keeping on or off where that is asked for; return how it stands."""
    state = open_state(folder)
    forgotten = 0
    if off:
        turn_off(state)
        if state.predictions.exists():
            with Store.open(state.predictions) as store:
                forgotten = store.forget()
    elif days is not None:
        turn_on(state, days, ids)
    return Keeping(read_keep(state), _waiting(state), forgotten)


def join_command(folder: Path | None, asked: Asked) -> Joined:
    """Join the labels of a table with the kept predictions of the model, whichever of its versions made them."""
    state = open_state(folder)
    keep = read_keep(state)
    if keep is None:
        raise StateError(
            f"{state.root}: no predictions are kept here, so no label can find one; turn that on, score, and join the "
            "labels later: hakobu-run keep --days 90"
        )
    bundle = open_active(state, asked.model)
    manifest = bundle.manifest
    kept_by = manifest.id_columns or keep.ids
    if not kept_by:
        raise StateError(
            f"{manifest.name} names no id column; say which one: hakobu-run keep --days {keep.days} --id COLUMN"
        )
    table = table_of(asked.path, asked.layout, asked.ids, asked.label, manifest, kept_by)
    subject = Subject.of(manifest, bundle.digest)
    reading = Reading(table, manifest, subject, Hasher(keep.salt))
    joined = Joined(f"{manifest.name} {manifest.version}", asked.path, reading.read, reading.refusals)
    with Store.open(state.predictions) as store:
        subjects = _subjects(store, bundle)
        for labels in reading.chunks():
            found = join(store, subjects, keep.days, labels)
            joined.note(found)
            for place in found.refused:
                reading.refuse(
                    int(labels.rows[place]),
                    f"{table.label} = {labels.truths[place]:g} lies more than a thousand times the spread of "
                    "all predictions from the one of this row; check its unit",
                )
    return joined


def _waiting(state: State) -> tuple[Waiting, ...]:
    if not state.predictions.exists():
        return ()
    with Store.open(state.predictions) as store:
        return store.waiting()


def _subjects(store: Store, bundle: Bundle) -> tuple[Subject, ...]:
    """Return the versions of the bundle's model that predictions are kept of, and that know the same classes."""
    mine = Subject.of(bundle.manifest, bundle.digest)
    return tuple(
        one.subject
        for one in store.waiting()
        if one.rows and one.subject.model.name == mine.model.name and one.subject.classes == mine.classes
    )
