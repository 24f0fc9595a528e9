"""The commands that run on Apache Beam, on its own local runner: they come to what the plain path comes to."""

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import arro3.core as arrow
import pytest
from arro3.io import infer_csv_schema, read_csv, write_parquet

from hakobu_runtime.bundle import open_bundle
from hakobu_runtime.device.counting import open_journal
from hakobu_runtime.device.lock import locked
from hakobu_runtime.device.state import open_state
from hakobu_runtime.format.counts import WindowCounts
from hakobu_runtime.format.histogram import Counts
from hakobu_runtime.format.parcel import SCHEMA as PARCEL
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.tally import SCHEMA as TALLY
from hakobu_runtime.format.tally import ModelName, Tally
from hakobu_runtime.format.window import Window
from hakobu_runtime.journal.packed import unpack
from hakobu_runtime.rows.source import open_rows
from hakobu_runtime.scorer.counting import count, places
from hakobu_runtime.scorer.scorer import Scorer
from hakobu_runtime.trust import Keyring, Pin, PrivateKey
from hakobu_runtime.uplink.parcel import pack_parcel

Ended = subprocess.CompletedProcess[str]
Command = Callable[..., Ended]
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def beam(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """`hakobu` where Beam is installed too: beside what is here, since pandas behaves otherwise where pyarrow is."""
    base = Path(str(request.config.cache.mkdir("hakobu"))) if request.config.cache else tmp_path_factory.mktemp("beam")
    venv = base / "beam"
    with locked(venv, patience=900):
        if not (venv / "done").exists():
            _install(venv)

    def run(*words: object) -> Ended:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HAKOBU_")}
        return subprocess.run(
            [_python(venv), "-m", "hakobu", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env=inherited,
            timeout=300,
        )

    return run


def _python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _install(venv: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    packages = subprocess.run(
        [_python(venv), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # What is installed here serves there as well, editable packages too.
    here = sysconfig.get_path("purelib")
    Path(packages, "here.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    command = [_python(venv), "-m", "pip", "install", "-q", "-c", ROOT / "build" / "constraints.txt", "apache-beam"]
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"pip cannot fetch Apache Beam: {ended.stderr[-300:]}")
    (venv / "done").touch()


@pytest.fixture
def tables(machines_rows: Path, tmp_path: Path) -> Path:
    """Two Parquet files of several row groups, one of them in a folder below."""
    folder = tmp_path / "rows 箱"
    (folder / "deep").mkdir(parents=True)
    table = read_csv(machines_rows, infer_csv_schema(machines_rows, has_header=True), has_header=True).read_all()
    half = len(table) // 2
    write_parquet(table.slice(0, half), folder / "one.parquet", max_row_group_size=150)
    write_parquet(table.slice(half), folder / "deep" / "two.parquet", max_row_group_size=150)
    return folder


@pytest.fixture
def machines_rows(project: Path) -> Path:
    return project / "data.csv"


def _rows(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_row_groups_scored_apart_are_the_rows_and_counts_of_one_scoring(
    beam: Command,
    hakobu_run: Command,
    device: Path,
    own_device: Path,
    tables: Path,
    machines_box: Path,
    public_key: Path,
    release_key: PrivateKey,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    ended = beam("fleet", "score", tables, "--bundle", machines_box, "--key", public_key, "-o", out, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    told = json.loads(ended.stdout)
    plain = []
    for table, name in ((tables / "one.parquet", "one"), (tables / "deep" / "two.parquet", "deep/two")):
        target = tmp_path / f"{table.stem}.csv"
        assert hakobu_run("--state", own_device, "score", table, "-o", target).returncode == 0
        parts = sorted((out / name).parent.glob(f"{table.stem}-*.csv"))
        assert len(parts) > 2
        assert [row for part in parts for row in _rows(part)[1:]] == _rows(target)[1:]
        plain += _rows(target)[1:]
    assert told["rows"] == len(plain)
    counted = {json.loads(line)[0][1]: json.loads(line)[1] for line in _rows(next(out.glob("counts-*")))}
    bundle = open_bundle(machines_box, Keyring((Pin(release_key.public),)))
    with open_journal(open_state(own_device)) as journal:
        windows = journal.windows(ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest))
    assert set(counted) == {window.start for window in windows}
    for window, counts in windows.items():
        found, _ = unpack(bytes.fromhex(counted[window.start]))
        assert (found.rows, found.verdicts, found.breaches) == (counts.rows, counts.verdicts, counts.breaches)
        for ours, theirs in ((found.features, counts.features), (found.outputs, counts.outputs)):
            assert {name: part.tolist() for name, part in ours.items()} == {
                name: part.tolist() for name, part in theirs.items()
            }


def test_a_file_that_is_no_parquet_costs_no_other_one(
    beam: Command, tables: Path, machines_box: Path, public_key: Path, tmp_path: Path
) -> None:
    (tables / "broken.parquet").write_bytes(b"PAR1 and nothing")
    lacking = arrow.Table.from_pydict({"load": arrow.Array([1.0], arrow.DataType.float64())})
    write_parquet(lacking, tables / "lacking.parquet")
    ended = beam("fleet", "score", tables, "--bundle", machines_box, "--key", public_key, "-o", tmp_path / "out")
    assert ended.returncode == 6, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "broken.parquet" in ended.stderr
    assert "lacking.parquet, row group 0" in ended.stderr
    assert "shifts" in ended.stderr
    assert len(list((tmp_path / "out").glob("one-*.csv"))) > 2


def _parcels(box: Path, key: PrivateKey, rows: Path, folder: Path) -> None:
    """Write the parcels of six devices: of each an older state, and a newer one that holds more."""
    bundle = open_bundle(box, Keyring((Pin(key.public),)))
    scorer = Scorer(bundle.manifest, bundle.model)
    model = ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)
    with open_rows(rows, scorer.wanted(), block_rows=100) as blocks:
        counted = [
            count(bundle.manifest, scorer.score_block(block), places(bundle.manifest, block, NOW), 0.01)
            for block in blocks
        ]
    for number in range(6):
        device, own = f"device-{number}", PrivateKey.generate()
        sums: dict[Window, WindowCounts] = {}
        for serial, part in enumerate(counted[number::6], start=1):
            for window, counts in part.items():
                sums.setdefault(window, WindowCounts()).add(counts)
            tallies = tuple(_tally(device, model, window, serial, counts) for window, counts in sums.items())
            parcel = Parcel(
                PARCEL, device, own.public.pem.decode(), serial, NOW.isoformat(), "0.1.0", "Linux", (), tallies
            )
            place = folder / device / f"{serial}.parcel"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(pack_parcel(parcel, own))
        (folder / device / "device.pub").write_bytes(own.public.pem)


def _tally(device: str, model: ModelName, window: Window, revision: int, counts: WindowCounts) -> Tally:
    def plain(part: Mapping[str, Counts]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(found.tolist()) for name, found in part.items()}

    found = plain(counts.features), plain(counts.outputs), counts.breaches, tuple(counts.latency.tolist())
    return Tally(TALLY, device, model, window, revision, counts.rows, dict(counts.verdicts), *found)


def test_parcels_merged_apart_are_judged_as_those_of_a_folder(
    beam: Command,
    hakobu: Command,
    machines_box: Path,
    machines_rows: Path,
    public_key: Path,
    release_key: PrivateKey,
    tmp_path: Path,
) -> None:
    fleet = tmp_path / "fleet"
    _parcels(machines_box, release_key, machines_rows, fleet)
    forged = fleet / "device-1" / "9.parcel"
    forged.write_bytes((fleet / "device-2" / "1.parcel").read_bytes().replace(b"A", b"B", 40))
    (fleet / "device-0" / "7.parcel").write_bytes(b"<html>no parcel</html>")
    box = ("--bundle", machines_box, "--key", public_key, "--by", "week", "--json")
    plain = hakobu("drift", fleet, *box)
    ended = beam("fleet", "merge", fleet, *box, "-o", tmp_path / "out")
    assert ended.returncode == plain.returncode, ended.stderr
    assert plain.returncode in (0, 3), plain.stderr
    (bundle,) = json.loads(ended.stdout)["bundles"]
    assert bundle["rows"] == len(_rows(machines_rows)) - 1
    assert bundle["devices"] == 6
    assert len(bundle["periods"]) > 3
    assert [bundle] == json.loads(plain.stdout)["bundles"]
    assert "device-1/9.parcel" in ended.stderr
    assert "device-0/7.parcel" in ended.stderr
    assert ended.stderr.count("refused: ") == 2


def test_without_a_bundle_or_parcels_nothing_is_merged(
    beam: Command, machines_box: Path, public_key: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    none = beam("fleet", "merge", tmp_path / "empty", "-o", tmp_path / "out")
    assert (none.returncode, none.stdout) == (2, "")
    assert "--bundle" in none.stderr
    box = ("--bundle", machines_box, "--key", public_key)
    empty = beam("fleet", "merge", tmp_path / "empty", *box, "-o", tmp_path / "out")
    assert (empty.returncode, empty.stdout) == (6, "")
    assert "no parcels" in empty.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--runner", "NoSuchRunner"), 2, "NoSuchRunner"),
        (("--option", "no_such=1"), 2, "no_such"),
    ],
)
def test_a_runner_that_is_none_is_refused_in_words(
    words: tuple[str, ...],
    code: int,
    told: str,
    beam: Command,
    tables: Path,
    machines_box: Path,
    public_key: Path,
    tmp_path: Path,
) -> None:
    ended = beam("fleet", "score", tables, "--bundle", machines_box, "--key", public_key, "-o", tmp_path / "o", *words)
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert told in ended.stderr


def test_without_beam_it_is_told_how_to_get_it(
    hakobu: Command, tables: Path, machines_box: Path, public_key: Path, tmp_path: Path
) -> None:
    ended = hakobu("fleet", "score", tables, "--bundle", machines_box, "--key", public_key, "-o", tmp_path / "out")
    assert (ended.returncode, ended.stdout) == (10, "")
    assert "pip install 'hakobu[beam]'" in ended.stderr
