"""A builder's best-before: warned of, then marked in every output, then refused; the clock cannot be turned back."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.device import facts
from hakobu_runtime.device.age import age_check, heed
from hakobu_runtime.device.install import install
from hakobu_runtime.device.ledger import changing
from hakobu_runtime.device.load import load
from hakobu_runtime.device.score import Asked, Listener, score_command
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, change_keyring, open_state
from hakobu_runtime.device.status import device_status
from hakobu_runtime.device.stream import answer
from hakobu_runtime.errors import FormatError, StateError, UsageError
from hakobu_runtime.format.best_before import Age, BestBefore
from hakobu_runtime.format.block import Wanted
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.rows.source import open_rows
from hakobu_runtime.trust import Pin, PrivateKey

PAST, FUTURE = date(2020, 1, 31), date(2999, 1, 1)
Have = Callable[..., Path]


@pytest.fixture
def state(in_memory: Path, release_key: PrivateKey) -> State:
    state = open_state(in_memory / "state")
    change_keyring(state, lambda keyring: keyring.add(Pin(release_key.public)))
    return state


@pytest.fixture
def have(state: State, publisher: Any, tiny_manifest: Manifest) -> Have:
    """Install a bundle with such days; return its file."""

    def made(install_it: bool = True, **days: date) -> Path:
        manifest = msgspec.structs.replace(tiny_manifest, version="1.0.0", best_before=BestBefore(**days))
        file: Path = publisher.box("1.0.0", manifest_json=encode(manifest))
        if install_it:
            install(state, file, datetime(2019, 1, 1, tzinfo=UTC))
        return file

    return made


@pytest.fixture
def table(in_memory: Path) -> Path:
    path = in_memory / "in.csv"
    path.write_text("temp,load,note\n3,1,a\n9,1,b\n")
    return path


@given(st.lists(st.dates(), min_size=3, max_size=3), st.dates())
def test_days_out_of_order_are_refused_and_others_judge_by_the_latest_that_is_past(
    days: list[date], today: date
) -> None:
    if days != sorted(days):
        with pytest.raises(FormatError, match="must come in order"):
            BestBefore(*days)
        return
    past = sum(day <= today for day in days)
    age, since = BestBefore(*days).age(today)
    assert age is (Age.FRESH, Age.WARNED, Age.MARKED, Age.REFUSED)[past]
    assert since == (days[past - 1] if past else None)


def test_before_the_first_day_nothing_is_said(state: State, have: Have, table: Path) -> None:
    have(warn=FUTURE)
    warned: list[str] = []
    score_command(state.root, Asked((table,), table.with_name("out.csv")), Listener(warn=warned.append))
    assert warned == []
    assert "stale" not in table.with_name("out.csv").read_text()


def test_a_person_is_warned(state: State, have: Have, table: Path) -> None:
    have(warn=PAST, mark=FUTURE)
    warned: list[str] = []
    score_command(state.root, Asked((table,), table.with_name("out.csv")), Listener(warn=warned.append))
    assert warned == [
        "tiny 1.0.0 is past its best since 2020-01-31, as its builder says; take a newer one: hakobu-run sync, or "
        "hakobu-run install FILE.hako"
    ]
    assert "stale" not in table.with_name("out.csv").read_text()
    assert "past its best since 2020-01-31" in device_status(state, datetime.now(UTC)).words()
    check = age_check(state, open_active(state).manifest, datetime.now(UTC))
    assert check is not None
    assert check.health == "warning"


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_every_row_is_marked(state: State, have: Have, table: Path, ending: str) -> None:
    have(mark=PAST)
    out = table.with_name(f"out{ending}")
    score_command(state.root, Asked((table,), out, columns=("note",)))
    if ending == ".csv":
        with out.open(newline="") as file:
            found = [row["stale"] for row in csv.DictReader(file)]
    elif ending == ".jsonl":
        found = [json.loads(line)["stale"] for line in out.read_text().splitlines()]
    else:
        wanted = Wanted(forms={}, required=frozenset({"stale"}), carried=frozenset({"stale"}))
        with open_rows(out, wanted) as rows:
            found = [str(cell) for piece in rows.pieces() for cell in piece.read(0).carried["stale"]]
    assert found == ["since 2020-01-31"] * 2


def test_a_column_of_that_name_cannot_be_carried_over(state: State, have: Have, table: Path) -> None:
    have(mark=PAST)
    table.write_text("temp,load,stale\n3,1,a\n")
    with pytest.raises(UsageError, match="scoring writes a column of that name"):
        score_command(state.root, Asked((table,), table.with_name("out.csv"), columns=("stale",)))


def test_an_id_column_of_that_name_is_refused_when_the_model_is_built(tiny_manifest: Manifest) -> None:
    with pytest.raises(FormatError, match="cannot be named 'stale'"):
        msgspec.structs.replace(tiny_manifest, id_columns=("stale",), best_before=BestBefore(mark=PAST))


def test_the_library_says_it_and_a_stream_answers_with_it(
    state: State, have: Have, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = load(have(mark=PAST), state=state.root)
    assert scorer.stale == "since 2020-01-31"
    assert "past its best" in caplog.text
    assert answer(scorer, b'{"temp": 3, "load": 1}', 1)["stale"] == "since 2020-01-31"
    scorer.flush()


def test_at_the_end_nothing_is_scored(state: State, have: Have, table: Path) -> None:
    file = have(refuse=date(2019, 6, 1))
    with pytest.raises(StateError, match=r"must not be used since 2019-06-01.*nothing is scored.*hakobu-run sync"):
        score_command(state.root, Asked((table,), table.with_name("out.csv")))
    with pytest.raises(StateError, match="must not be used"):
        load(file, state=state.root)
    with pytest.raises(StateError, match="must not be used"):
        install(state, file, datetime.now(UTC))
    check = age_check(state, open_active(state).manifest, datetime.now(UTC))
    assert check is not None
    assert check.health == "failure"


def test_a_clock_that_is_turned_back_makes_nothing_younger(state: State, have: Have) -> None:
    have(refuse=date(2026, 6, 1))
    manifest, early = open_active(state).manifest, datetime(2000, 1, 1, tzinfo=UTC)
    assert heed(state, manifest, early, lambda words: None) == ""
    with changing(state) as ledger:
        facts.raise_floor(ledger, "tiny", datetime(2026, 7, 1, tzinfo=UTC))
    with pytest.raises(StateError, match=r"must not be used since 2026-06-01.*it is 2026-07-01"):
        heed(state, manifest, early, lambda words: None)
