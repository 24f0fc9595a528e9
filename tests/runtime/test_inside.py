"""What a process finds out about the program that people start for it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hakobu_runtime.device.inside import FOLDER, KIT, LABEL, box_inside, own_program
from hakobu_runtime.device.schedule import this_program
from hakobu_runtime.errors import StateError

LABEL_TEXT = (
    '{"schema":"hakobu.inside/1","model":"tiny","version":"1.0.0","description":"","digest":"d","keys":"k","size":1}'
)


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    box_inside.cache_clear()
    yield
    box_inside.cache_clear()


@pytest.fixture
def launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The launcher of a kit, which has started this process."""
    path = tmp_path / "箱 1" / "tiny.sh"
    (path.parent / "kit" / FOLDER).mkdir(parents=True)
    (path.parent / "kit" / FOLDER / LABEL).write_text(LABEL_TEXT)
    monkeypatch.setenv(KIT, str(path))
    return path


def test_a_kit_has_its_box_beside_the_launcher(launcher: Path) -> None:
    box = box_inside()
    assert box is not None
    assert (box.label.model, box.folder) == ("tiny", launcher.parent / "kit" / FOLDER)


def test_what_a_kit_schedules_is_its_launcher(launcher: Path) -> None:
    assert own_program() == launcher
    assert this_program() == (str(launcher),)


def test_a_kit_without_its_box_says_that_it_is_damaged(launcher: Path) -> None:
    (launcher.parent / "kit" / FOLDER / LABEL).unlink()
    with pytest.raises(StateError, match="damaged"):
        box_inside()


def test_an_executable_takes_no_box_but_its_own(
    launcher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "unpacked"), raising=False)
    assert box_inside() is None
    assert own_program() == Path(sys.executable)


def test_python_itself_is_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KIT, raising=False)
    assert own_program() is None
    assert box_inside() is None
