"""The next release of the flights: trained on January to June, held against the first one on July."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import arro3.core as arrow
import click
import numpy as np
import pytest
from arro3.io import read_parquet, write_parquet

from hakobu.cli.champion import champion_of
from hakobu.project import read_project
from hakobu.scaffold.new import new_from_template
from hakobu_runtime.errors import StateError
from hakobu_runtime.trust import PrivateKey


def hakobu(folder: Path, *words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [sys.executable, "-m", "hakobu", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def column(table: arrow.Table, name: str) -> list[Any]:
    found: Any = table.column(name)
    return [cell.as_py() for cell in found]


def all_months(folder: Path) -> None:
    """Write what is known by August: the first quarter, and the months after with their answers."""
    first = read_parquet(folder / "data" / "2013-q1.parquet").read_all()
    batches = first.to_batches()
    for month in ("04", "05", "06", "07"):
        live = read_parquet(folder / "live" / f"2013-{month}.parquet").read_all()
        answers = read_parquet(folder / "answers" / f"2013-{month}.parquet").read_all()
        late = dict(zip(column(answers, "flight"), column(answers, "late15"), strict=True))
        known: Any = arrow.ChunkedArray(
            [arrow.Array([late[flight] for flight in column(live, "flight")], arrow.DataType.bool())]
        )
        batches += live.append_column("late15", known).combine_chunks().to_batches()
    write_parquet(arrow.Table.from_batches(batches, schema=first.schema), folder / "data" / "2013-07.parquet")


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with its first release built, and the table of all months."""
    folder = tmp_path_factory.mktemp("flights") / "late-flights"
    new_from_template(folder, "flights")
    (folder / "keys").mkdir(exist_ok=True)
    key = PrivateKey.generate()
    (folder / "keys" / "release.pem").write_bytes(key.to_pem(None))
    (folder / "keys" / "release.pub").write_bytes(key.public.pem)
    assert hakobu(folder, "build")[0] == 0
    all_months(folder)
    toml = folder / "hakobu.toml"
    text = (
        toml.read_text().replace('version = "1.0.0"', 'version = "1.1.0"').replace("2013-q1.parquet", "2013-07.parquet")
    )
    times = np.array(
        column(read_parquet(folder / "data" / "2013-07.parquet").read_all(), "time"), dtype="datetime64[s]"
    )
    share = float((times >= np.datetime64("2013-07-01")).mean())
    toml.write_text(text.replace('id = ["flight"] ', f'holdout = {share:.4f}\nid = ["flight"] '))
    return folder


CHAMPION = "dist/late-flights-1.0.0.hako"


def test_the_second_release_passes_the_ratchet_on_july(flights: Path) -> None:
    code, told = hakobu(flights, "build", "--champion", CHAMPION, "--json")
    found = json.loads(told[told.index("{") :])
    gates = {gate["name"]: gate for gate in found["gates"]}
    assert code == 0, [gate for gate in found["gates"] if gate["outcome"] == "failed"]
    assert gates["ratchet"]["outcome"] == "passed"
    gain, low = gates["ratchet"]["value"].split(" (")[0], gates["ratchet"]["value"].split(" (")[1].split(" to ")[0]
    assert float(gain) > float(low) > 0, "and it is surely better: three more months were learned from"
    assert "2013-07-01" in gates["split: time"]["rule"] or "2013-06-30" in gates["split: time"]["rule"]


def test_the_champion_can_be_what_a_channel_offers(flights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (
        ("depot", "init", "depot", "--no-passphrase"),
        ("publish", CHAMPION, "--channel", "stable", "--no-passphrase"),
    ):
        code, told = hakobu(flights, *words)
        assert code == 0, told
    monkeypatch.chdir(flights)
    project = read_project(flights)
    champion = champion_of(project, "channel:stable")
    assert champion is not None
    assert champion.manifest.version == "1.0.0"
    with click.Context(click.Group("hakobu")):
        assert champion_of(project, "channel:beta") is None, "there is no such channel yet"
    monkeypatch.setenv("HAKOBU_DEPOT", str(flights / "nowhere"))
    with pytest.raises(StateError, match="there is no depot here"):
        champion_of(project, "channel:stable")
