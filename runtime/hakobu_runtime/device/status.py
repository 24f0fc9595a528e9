"""What a device has, trusts and has counted."""

from dataclasses import asdict, dataclass

from hakobu_runtime.device.counting import open_journal, set_aside_files
from hakobu_runtime.device.slots import Slot, active_slots, device_id
from hakobu_runtime.device.state import State, read_keyring
from hakobu_runtime.version import __version__


@dataclass(frozen=True, slots=True)
class Counted:
    """How much one bundle has scored here."""

    model: str
    version: str
    rows: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Status:
    """The whole of it."""

    device: str
    folder: str
    active: tuple[Slot, ...]
    keys: tuple[str, ...]
    counted: tuple[Counted, ...]
    damaged: tuple[str, ...]
    """What was damaged and set aside, so that its counts are in no total."""

    def plain(self) -> dict[str, object]:
        """Return the status for JSON."""
        return {"runtime": __version__, **asdict(self)}

    def words(self) -> str:
        """Return the status for a person."""
        lines = [f"device   {self.device}", f"folder   {self.folder}", f"runtime  {__version__}"]
        lines.append(f"keys     {', '.join(key[:16] + '…' for key in self.keys) or 'none; pin one with trust add'}")
        if not self.active:
            lines.append("models   none; install one with 'hakobu-run install FILE.hako'")
        for slot in self.active:
            lines.append(
                f"model    {slot.model} {slot.version}, installed {slot.installed}, sha256 {slot.digest[:16]}…"
            )
        for found in self.counted:
            span = found.first if found.first == found.last else f"{found.first} to {found.last}"
            lines.append(f"counted  {found.rows:,} rows of {found.model} {found.version}, {span}")
        lines += [f"damaged  {words}" for words in self.damaged]
        return "\n".join(lines)


def device_status(state: State) -> Status:
    """Return the status of the device in `state`."""
    keys = tuple(pin.key.identity for pin in read_keyring(state).pins)
    counted = []
    with open_journal(state) as journal:
        for model in journal.models():
            windows = journal.windows(model)
            rows, starts = sum(counts.rows for counts in windows.values()), [window.start for window in windows]
            if starts:
                counted.append(Counted(model.name, model.version, rows, starts[0], starts[-1]))
        damaged = [lost.words() for lost in journal.lost()]
    damaged[:0] = [f"{path.name} was set aside; its counts are in no total" for path in set_aside_files(state)]
    return Status(device_id(state), str(state.root), active_slots(state), keys, tuple(counted), tuple(damaged))
