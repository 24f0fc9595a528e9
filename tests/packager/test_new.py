import json
import os
import random
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hakobu.cli.main import main
from hakobu.pack.build import build
from hakobu.project import Project, read_project
from hakobu.settings import Task
from hakobu_runtime.format.feature import Part
from hakobu_runtime.trust import PrivateKey


def new(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["new", *map(str, arguments)], env={"NO_COLOR": "1"})


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("hakobu: error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def orders(rows: int = 300) -> list[str]:
    """A table with every kind of column, and every kind to be left out."""
    rng = random.Random(5)
    lines = ["id,when,price,pieces,express,region,depot,zip,note,always,late,delayed,days"]
    for row in range(rows):
        price, express, region = rng.gauss(50, 15), rng.random() < 0.4, rng.choice(["north", "south", "east"])
        late = price / 15 + (region == "north") * 2 - express * 1.5 + rng.gauss(0, 0.7) > 3.5
        days = price / 10 + 3 * (region == "south") + rng.gauss(0, 0.5)
        when = f"{1 + row % 28:02d}/{1 + row % 12:02d}/2025 {row % 24:02d}:15"
        price_text = "NA" if row % 20 == 0 else f"{price:.2f}"
        cells = [
            10_000 + row, when, price_text, rng.randint(1, 40), "yes" if express else "no", region,
            "" if row % 9 == 0 else rng.choice("ABCD"), rng.choice([10115, 20095, 80331]), f"order no. {row}",
            "x", int(late), "late" if late else "in time", f"{days:.3f}",
        ]  # fmt: skip
        lines.append(",".join(map(str, cells)))
    return lines


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join(orders()) + "\n")
    return path


def made(tmp_path: Path, table: Path, *arguments: str) -> tuple[Project, str]:
    result = new(tmp_path / "made", "--from", table, *arguments)
    assert result.exit_code == 0, result.stderr
    return read_project(tmp_path / "made"), result.stdout


def test_a_table_becomes_a_project_that_says_what_it_saw(tmp_path: Path, table: Path) -> None:
    project, said = made(tmp_path, table, "--target", "late", "--id", "id")
    data = project.file.data
    assert (project.file.model.name, project.file.model.version) == ("made", "0.1.0")
    assert project.file.model.task is Task.CLASSIFICATION
    assert (data.path, data.target, data.id, data.missing) == ("data/orders.csv", "late", ("id",), ("NA",))
    assert project.data_path.read_bytes() == table.read_bytes()
    kinds = {name: feature.kind for name, feature in project.file.features.items()}
    assert kinds == {
        "when": "date", "price": "number", "pieces": "integer", "express": "boolean",
        "region": "category", "depot": "category", "zip": "integer", "days": "number",
    }  # fmt: skip
    when = project.file.features["when"]
    assert (when.parts, when.format) == ((Part.MONTH, Part.DAY_OF_WEEK, Part.HOUR), "%d/%m/%Y %H:%M")
    text = project.source.decode()
    assert "# 10115 to 80331\n# named like a code" in text
    for name, reason in (("note", "different texts"), ("always", "always 'x'"), ("delayed", "in other words")):
        assert any(line.startswith(f"#   {name}: ") and reason in line for line in text.splitlines())
        assert any(line.startswith(name) and reason in line for line in said.splitlines())
    assert said.endswith("hakobu keys new\n  hakobu build\n")
    assert sorted(path.name for path in project.root.iterdir()) == [
        ".gitignore", "README.md", "data", "hakobu.toml", "pipeline.py"
    ]  # fmt: skip
    assert "keys/*.pem" in (project.root / ".gitignore").read_text()


@pytest.mark.parametrize("target", ["late", "days"])
def test_a_new_project_builds_as_it_is(tmp_path: Path, table: Path, target: str, release_key: PrivateKey) -> None:
    table.write_text("\n".join(orders(1200)) + "\n")
    project, _ = made(tmp_path, table, "--target", target, "--id", "id")
    built = build(project, release_key)
    assert built.passed, [gate for gate in built.gates if gate.remedy]


def test_time_and_group_are_written_down_and_not_learned_from(tmp_path: Path, table: Path) -> None:
    project, _ = made(tmp_path, table, "--target", "days", "--time", "when", "--group", "depot")
    data = project.file.data
    assert (data.time, data.time_format, data.group) == ("when", "%d/%m/%Y %H:%M", "depot")
    assert project.file.model.task is Task.REGRESSION
    assert not {"when", "depot", "days"} & set(project.file.features)


def test_the_tolerance_of_a_regression_follows_the_size_of_its_target(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{row * row % 97},{row * 1e6 + 0.5}\n" for row in range(100)))
    project, _ = made(tmp_path, path, "--target", "y")
    assert project.file.gates.parity.absolute == 100


def test_the_task_can_be_overruled(tmp_path: Path, table: Path) -> None:
    project, _ = made(tmp_path, table, "--target", "late", "--task", "regression")
    assert project.file.model.task is Task.REGRESSION
    assert "HistGradientBoostingRegressor(" in (project.root / "pipeline.py").read_text()


def test_odd_names_survive(tmp_path: Path, release_key: PrivateKey) -> None:
    names = ['a "b"', "c.d", "]", "#", "é 日本", "back\\slash", "it's", "new\nline", "tab\there"]
    rng = random.Random(1)
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    rows = []
    for _ in range(120):
        numbers = [rng.gauss(0, 1) for _ in names]
        cells = [f"{number:.3f}" if place % 2 else rng.choice("uvw") for place, number in enumerate(numbers)]
        rows.append(",".join([*cells, str(int(numbers[1] + numbers[3] + rng.gauss(0, 0.3) > 0))]))
    path = tmp_path / "odd.csv"
    path.write_bytes("\n".join([f"{header},y", *rows, ""]).encode())
    project, _ = made(tmp_path, path, "--target", "y")
    assert set(project.file.features) == set(names)
    assert build(project, release_key).passed


def test_the_delimiter_is_found_and_the_encoding_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(["größe;y", *(f"{row % 7};{row % 2}" for row in range(60)), ""]).encode("latin-1"))
    refused(new(tmp_path / "made", "--from", path, "--target", "y"), 6, "--encoding latin-1")
    project, _ = made(tmp_path, path, "--target", "y", "--encoding", "latin-1")
    assert (project.file.data.delimiter, project.file.data.encoding) == (";", "latin-1")
    assert set(project.file.features) == {"größe"}


def test_json_lines_are_read_too(tmp_path: Path) -> None:
    rows = [{"x": row % 9 + 0.5, "on": row % 3 == 0, "gone": None, "y": "ab"[row % 2]} for row in range(60)]
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    project, _ = made(tmp_path, path, "--target", "y")
    assert {name: feature.kind for name, feature in project.file.features.items()} == {"x": "number", "on": "boolean"}


def test_parquet_is_read_too(tmp_path: Path) -> None:
    arro3 = pytest.importorskip("arro3.core")
    from arro3.io import write_parquet

    columns = {"x": arro3.Array([row % 9 for row in range(60)], arro3.DataType.int64()),
               "y": arro3.Array([row * 0.37 for row in range(60)], arro3.DataType.float64())}  # fmt: skip
    path = tmp_path / "t.parquet"
    write_parquet(arro3.Table.from_pydict(columns), path)
    project, _ = made(tmp_path, path, "--target", "y")
    assert project.file.model.task is Task.REGRESSION
    assert project.file.features["x"].kind == "integer"


def test_a_bad_cell_is_said_with_its_row_and_value(tmp_path: Path, table: Path) -> None:
    lines = orders()
    lines[42] = lines[42].replace(lines[42].split(",")[2], '"12,5"', 1)
    lines[7] = "only,three,fields"
    table.write_text("\n".join(lines) + "\n")
    project, said = made(tmp_path, table, "--target", "late", "--id", "id")
    assert "'price' = '12,5' in row 42 is no number" in said
    assert "row 7: row has 3 fields" in said
    assert project.file.features["price"].kind == "number"
    assert "'12,5' in row 42" in project.source.decode()


def test_json_says_the_same(tmp_path: Path, table: Path) -> None:
    found = json.loads(new(tmp_path / "made", "--from", table, "--target", "late", "--json").stdout)
    assert (found["schema"], found["task"], found["rows"]) == ("hakobu.new/1", "classification", 300)
    assert {"column": "always", "reason": "always 'x'"} in found["left_out"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("x,y\n", "holds no rows, only a header"),
        ("x,y\n1,\n2,\n", "empty in every row"),
        ("x,y\n1,5\n2,5\n", "is '5' in every row"),
        ("x,Y2\n1,5\n2,6\n", "column 'y' is missing; the nearest there: 'Y2'"),
        ("x,x,y\n1,2,5\n2,2,6\n", "'x' stands 2 times"),
        ("x,y\n7,5\n7,6\n", "no column is left to learn from: 'x': always '7'"),
    ],
)
def test_a_table_that_no_model_can_come_of_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    refused(new(tmp_path / "made", "--from", path, "--target", "y"), 6, "t.csv", words)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["t.csv"]


def test_a_folder_or_a_missing_file_is_no_table(tmp_path: Path) -> None:
    refused(new(tmp_path / "made", "--from", tmp_path, "--target", "y"), 6, "is a folder")
    refused(new(tmp_path / "made", "--from", tmp_path / "no.csv", "--target", "y"), 6, "no such file")


def test_a_time_column_that_is_none_is_refused(tmp_path: Path, table: Path) -> None:
    refused(new(tmp_path / "made", "--from", table, "--target", "late", "--time", "region"), 6, "which is no time")
    refused(new(tmp_path / "made", "--from", table, "--target", "late", "--group", "always"), 6, "one group only")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, table: Path) -> None:
    refused(new(tmp_path, "--from", table, "--target", "late"), 9, "holds orders.csv")
    refused(new(table, "--from", table, "--target", "late"), 9, "is a file")
    assert [child.name for child in tmp_path.iterdir()] == ["orders.csv"]


def test_an_empty_folder_may_be_there_already(tmp_path: Path, table: Path) -> None:
    (tmp_path / "made").mkdir()
    project, _ = made(tmp_path, table, "--target", "late")
    assert not [child for child in project.root.iterdir() if child.name.startswith(".hakobu")]


def test_nothing_stays_when_the_disk_refuses(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "made"))

    monkeypatch.setattr("hakobu.scaffold.new.shutil.copyfile", full)
    refused(new(tmp_path / "made", "--from", table, "--target", "late"), 9, "No space left on device")
    assert [child.name for child in tmp_path.iterdir()] == ["orders.csv"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path, table: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(new(tmp_path / "locked" / "made", "--from", table, "--target", "late"), 9, "Permission denied")


def test_a_template_is_copied_over_the_shared_files(tmp_path: Path) -> None:
    result = new(tmp_path / "made", "--template", "flights")
    assert result.exit_code == 0, result.stderr
    assert read_project(tmp_path / "made").file.model.name == "late-flights"
    assert {".gitignore", "README.md", "live"} <= {child.name for child in (tmp_path / "made").iterdir()}
    refused(new(tmp_path / "made", "--template", "flights"), 9, "is not empty")


def test_an_unknown_template_lists_the_known_ones(tmp_path: Path) -> None:
    refused(new(tmp_path / "made", "--template", "zzz"), 2, "there are: flights")
    refused(new(tmp_path / "made", "--template", "project"), 2, "no template 'project'")
    refused(new(tmp_path / "made", "--template", "../templates/flights"), 2, "there are: flights")
    refused(new(tmp_path / "made", "--template", "flight"), 2, "did you mean 'flights'")


def test_a_command_that_names_no_source_or_no_target_is_refused(tmp_path: Path, table: Path) -> None:
    refused(new(tmp_path / "made"), 2, "--from FILE --target COLUMN")
    refused(new(tmp_path / "made", "--from", table), 2, "--target COLUMN")
    refused(new(tmp_path / "made", "--from", table, "--template", "flights"), 2, "or --template NAME")


def test_the_file_is_toml_that_a_newcomer_can_read(tmp_path: Path, table: Path) -> None:
    project, _ = made(tmp_path, table, "--target", "late")
    text = project.source.decode()
    assert list(tomllib.loads(text)) == ["model", "data", "gates", "features", "monitor", "keys"]
    assert max(map(len, text.splitlines())) <= 120
