import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hakobu_runtime.device import claim as claim_module
from hakobu_runtime.device.claim import Claim, Places, move, take, unfinished
from hakobu_runtime.disk import sync_folder
from hakobu_runtime.errors import StateError, UsageError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "in").mkdir()
    return Places(tmp_path / "in", tmp_path / "in" / "scored")


def claimed(places: Places, name: str = "a.csv", *, scored: bool = True) -> Claim:
    (places.root / name).write_text("input")
    claim = take(places, name)
    assert claim is not None
    if scored:
        claim.draft.write_text("output")
    return claim


def tree(places: Places) -> dict[str, str]:
    found = (path for path in places.root.rglob("*") if path.is_file())
    return {path.relative_to(places.root).as_posix(): path.read_text() for path in found}


def test_a_scored_file_ends_in_done_and_its_output_in_scored(places: Places) -> None:
    claim = claimed(places)
    assert claim.publish() == (places.done / "a.csv", places.scored / "a.csv")
    assert tree(places) == {"done/a.csv": "input", "scored/a.csv": "output"}
    assert not places.working.exists()


def test_a_refused_file_ends_in_failed_beside_the_reason(places: Places) -> None:
    claim = claimed(places, scored=False)
    claim.draft.with_name(claim.draft.name + ".partial").write_text("half")
    assert claim.refuse("no such column") == places.failed / "a.csv"
    assert tree(places) == {"failed/a.csv": "input", "failed/a.csv.error.txt": "no such column\n"}


def test_nothing_is_ever_overwritten(places: Places) -> None:
    for _ in range(3):
        claimed(places).publish()
    assert set(tree(places)) == {f"{folder}/a{end}.csv" for folder in ("done", "scored") for end in ("", "-2", "-3")}
    claimed(places, scored=False).refuse("first")
    (places.failed / "a.csv").unlink()  # taken to be mended, the reason left
    assert claimed(places, scored=False).refuse("second") == places.failed / "a-2.csv"
    assert (places.failed / "a.csv.error.txt").read_text() == "first\n"


def test_tables_of_one_name_and_two_formats_get_two_outputs(places: Places) -> None:
    for name in ("a.csv", "a.jsonl", "a.csv.gz"):
        claimed(places, name).publish()
    assert {path.name for path in places.scored.iterdir()} == {"a.csv", "a-2.csv", "a-3.csv"}
    assert {path.name for path in places.done.iterdir()} == {"a.csv", "a.jsonl", "a.csv.gz"}


@pytest.mark.parametrize("crash_at", range(1, 16))
def test_a_crash_before_any_step_of_publishing_changes_nothing_of_the_end(
    places: Places, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    claim = claimed(places)
    steps = 0

    class CrashError(Exception):
        pass

    def crashing(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal steps
            steps += 1
            if steps == crash_at:
                raise CrashError
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(claim_module, "sync_folder", crashing(sync_folder))
        patch.setattr(os, "link", crashing(os.link))
        for name in ("unlink", "rmdir", "mkdir"):
            patch.setattr(Path, name, crashing(getattr(Path, name)))
        try:
            claim.publish()
        except CrashError:
            crashed = True
        else:
            crashed = False
    assert crashed == (crash_at <= steps)
    left = unfinished(places)
    if left is not None:
        assert left.draft.exists()  # so it is not scored again
        left.publish()
    assert tree(places) == {"done/a.csv": "input", "scored/a.csv": "output"}
    assert unfinished(places) is None


def test_what_a_killed_run_left_beside_its_work_goes(places: Places) -> None:
    claim = claimed(places)
    claim.draft.with_name(f"{claim.draft.name}.partial.lock").touch()
    (places.working / ".claim.json.x.partial").touch()
    claim.publish()
    assert tree(places) == {"done/a.csv": "input", "scored/a.csv": "output"}


def test_a_claim_that_a_crash_left_is_found_again(places: Places) -> None:
    claim = claimed(places, scored=False)
    assert unfinished(places) == claim
    assert claim.source.read_text() == "input"


def test_a_claim_for_another_output_folder_is_refused_with_the_way_out(places: Places, tmp_path: Path) -> None:
    claimed(places)
    with pytest.raises(StateError, match=r"a\.csv is being scored into .*; watch once more with -o .*scored"):
        unfinished(Places(places.root, tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"name": "../../x.csv", "mark": "aa", "scored": "x"}',
        '{"name": "x", "mark": "../y", "scored": "x"}',
    ],
)
def test_a_damaged_claim_is_refused(places: Places, content: str) -> None:
    places.working.mkdir()
    (places.working / "claim.json").write_text(content)
    with pytest.raises(StateError, match=r"claim\.json: is damaged; move the files"):
        unfinished(places)


def test_a_file_that_is_gone_is_no_claim(places: Places) -> None:
    assert take(places, "gone.csv") is None
    assert not places.working.exists()


@pytest.mark.parametrize("name", ["in", "in/done", "in/failed", "in/working"])
def test_the_output_cannot_go_where_it_would_come_back(places: Places, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="would come back as input"):
        Places(places.root, tmp_path / name)


def test_a_folder_without_links_overwrites_nothing_either(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        claimed(places).publish()
    assert set(tree(places)) == {"done/a.csv", "done/a-2.csv", "scored/a.csv", "scored/a-2.csv"}


def test_long_and_japanese_names_find_a_place(places: Places) -> None:
    for name in ("あ" * 83 + ".csv", "x" * 251 + ".csv"):
        for _ in range(2):
            claimed(places, name).publish()
        claimed(places, name, scored=False).refuse("no")
    assert len(tree(places)) == 12


def test_moving_to_another_disk_is_an_error_not_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.csv"
    source.write_text("input")

    def refuse(*paths: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="cross-device"):
        move(source, tmp_path / "done", "a.csv")
    assert source.read_text() == "input"
    shutil.rmtree(tmp_path / "done")
