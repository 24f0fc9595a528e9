"""Several inputs at once: an output for each, names that clash, what failed, and going on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device import score as score_module
from hakobu_runtime.device.batch import is_batch, orders_of
from hakobu_runtime.device.order import STREAM, Order
from hakobu_runtime.device.run import score_file
from hakobu_runtime.device.score import Asked, Listener, Outcome, score_command
from hakobu_runtime.device.state import change_keyring, open_state
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.journal import Journal
from hakobu_runtime.rows.source import Layout

HEADER = "id,when,load,shifts,hot,line,maker\n"
Tree = Callable[..., Path]


def table(rows: int, line: str = "A") -> str:
    return HEADER + "".join(f"{row},2026-01-05,50.5,2,1,{line},maker 1\n" for row in range(rows))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Make a folder that holds empty files of these names."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def pairs(root: Path, *sources: str, to: str | None = None, target: str = "out") -> dict[str, str]:
    """Return which input goes into which output, by their paths in `root`."""
    orders = orders_of([root / source for source in sources], Order(root, root / target, to=to), lambda words: None)
    return {str(order.source.relative_to(root)): str(order.target.relative_to(root)) for order in orders}


# --- which inputs, which outputs


def test_each_input_has_an_output_of_its_name(tree: Tree) -> None:
    root = tree("a.csv", "b.jsonl", "c.parquet", "d.csv.gz", "e.b.tsv")
    assert pairs(root, "a.csv", "b.jsonl", "c.parquet", "d.csv.gz", "e.b.tsv") == {
        "a.csv": "out/a.csv",
        "b.jsonl": "out/b.csv",
        "c.parquet": "out/c.csv",
        "d.csv.gz": "out/d.csv",
        "e.b.tsv": "out/e.b.csv",
    }
    assert (root / "out").is_dir()
    assert pairs(root, "a.csv", "b.jsonl", to="parquet")["b.jsonl"] == "out/b.parquet"


def test_a_folder_stands_for_the_tables_in_it(tree: Tree) -> None:
    root = tree(
        "in/b.csv", "in/a.jsonl", "in/.hidden.csv", "in/~$b.csv", "in/c.csv.partial", "in/x.pdf", "in/deep/d.csv"
    )
    warned: list[str] = []
    orders = orders_of([root / "in"], Order(root, root / "out"), warned.append)
    assert [order.source.name for order in orders] == ["a.jsonl", "b.csv"]
    assert len(warned) == 1
    assert "x.pdf: is left alone" in warned[0]


def test_an_input_that_is_named_twice_is_scored_once(tree: Tree) -> None:
    root = tree("in/a.csv", "in/b.csv")
    (root / "link").symlink_to(root / "in")
    assert len(pairs(root, "in", "in/a.csv", "link/b.csv")) == 2


def test_a_format_that_is_asked_for_takes_every_file_of_a_folder(tree: Tree) -> None:
    root = tree("in/a.dat", "in/b.log")
    order = Order(root, root / "out", layout=Layout(format="csv"))
    assert [found.target.name for found in orders_of([root / "in"], order, pytest.fail)] == ["a.dat.csv", "b.log.csv"]


@pytest.mark.parametrize(
    ("names", "sources", "target", "words"),
    [
        (["a.csv", "a.jsonl"], ["a.csv", "a.jsonl"], "out", "a.csv and .*a.jsonl both would be written"),
        (["a.csv", "A.jsonl"], ["a.csv", "A.jsonl"], "out", "both would be written"),
        (["a.csv", "in/a.csv.gz"], ["a.csv", "in"], "out", "both would be written"),
        (["a.csv", "b.csv"], ["a.csv", "b.csv"], ".", "is the input itself"),
        (["in/a.csv"], ["in"], "in", "would come back as input"),
        (["a.csv", "b.csv"], ["a.csv", "b.csv"], "out.csv", "is no folder; several inputs need one"),
        (["a.csv", "b.csv", "file"], ["a.csv", "b.csv"], "file", "is no folder"),
        (["a.csv", "b.csv"], ["a.csv", "b.csv"], "none/out", "make it first"),
        (["in/x.pdf"], ["in"], "out", "there is no table in it"),
    ],
)
def test_what_would_lose_something_is_refused_before_anything_is_made(
    names: list[str], sources: list[str], target: str, words: str, tree: Tree
) -> None:
    root = tree(*names)
    before = sorted(root.rglob("*"))
    with pytest.raises(InputError, match=words):
        pairs(root, *sources, target=target)
    assert sorted(root.rglob("*")) == before


def test_problems_have_a_folder_of_their_own(tree: Tree) -> None:
    root = tree("a.csv", "b.csv")
    sources = [root / "a.csv", root / "b.csv"]
    orders = orders_of(sources, Order(root, root / "out", problems=root / "mend"), pytest.fail)
    assert [order.problems for order in orders] == [root / "mend" / "a.csv", root / "mend" / "b.csv"]
    with pytest.raises(InputError, match="is to take the scores and the problems"):
        orders_of(sources, Order(root, root / "out", problems=root / "out"), pytest.fail)
    for order in (Order(root, STREAM), Order(root, root / "out", problems=STREAM)):
        with pytest.raises(UsageError, match="stdin and stdout take one table"):
            orders_of(sources, order, pytest.fail)
    with pytest.raises(UsageError, match="stdin and stdout take one table"):
        orders_of([STREAM, root / "a.csv"], Order(root, root / "out"), pytest.fail)


def test_one_input_into_a_folder_is_a_batch_too(tree: Tree) -> None:
    root = tree("a.csv", "in/b.csv")
    assert is_batch([root / "a.csv"], root)
    assert is_batch([root / "in"], root / "out")
    assert is_batch([root / "a.csv", root / "b.csv"], root / "out")
    assert not is_batch([root / "a.csv"], root / "out.csv")
    assert not is_batch([STREAM], STREAM)
    assert not is_batch([root / "a.csv"], root / ("x" * 300))


# --- scoring them


@pytest.fixture
def device(machines: Bundle, tmp_path: Path) -> Path:
    change_keyring(open_state(tmp_path / "state"), lambda keyring: keyring.add(machines.pin))
    return tmp_path / "state"


def rows_counted(bundle: Bundle, device: Path) -> int:
    with Journal.open(device / "journal.sqlite") as journal:
        return journal.total(ModelName(bundle.manifest.name, bundle.manifest.version, bundle.digest)).rows


def score(bundle: Bundle, device: Path, *sources: Path, warned: list[str] | None = None) -> Outcome:
    asked = Asked(sources, device.parent / "out", bundle=bundle.path)
    return score_command(device, asked, Listener(warn=(warned if warned is not None else []).append))


def test_a_failed_file_does_not_stop_the_others(machines: Bundle, device: Path, tmp_path: Path) -> None:
    for name, content in {"a": table(10), "b": "junk\n1\n", "c": table(20, "Z"), "d": ""}.items():
        (tmp_path / f"{name}.csv").write_text(content)
    files = [tmp_path / f"{name}.csv" for name in ("a", "b", "c", "d", "none")]
    warned: list[str] = []
    outcome = score(machines, device, *files, warned=warned)
    assert [Path(summary.output).name for summary in outcome.summaries] == ["a.csv", "c.csv"]
    assert [Path(failed.source).name for failed in outcome.failed] == ["b.csv", "d.csv", "none.csv"]
    assert len(warned) == 3
    assert all(words.startswith("error: ") for words in warned)
    assert "total: 2 files, 30 rows" in outcome.words()
    assert "3 failed" in outcome.words()
    assert "20 rejected" in outcome.words()
    plain = outcome.plain()
    assert (plain["rows"], len(plain["failed"])) == (30, 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="3 of 5 files could not be scored"):
        outcome.refuse(strict=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "c.csv"]
    assert rows_counted(machines, device) == 30


def test_the_same_command_takes_up_the_failed_ones_alone(machines: Bundle, device: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    files[0].write_text(table(10))
    files[1].write_text("junk\n")
    score(machines, device, *files)
    files[1].write_text(table(5))
    warned: list[str] = []
    outcome = score(machines, device, *files, warned=warned)
    assert [(summary.rows, summary.resumed_at) for summary in outcome.summaries] == [(10, 10), (5, 0)]
    assert (warned, outcome.failed, rows_counted(machines, device)) == ([], (), 15)
    outcome.refuse(strict=True)
    assert score(machines, device, *files).summaries[0].resumed_at == 0, "once more, on purpose"
    assert rows_counted(machines, device) == 30


@pytest.mark.parametrize("file", [1, 2, 3])
def test_a_broken_batch_goes_on_where_it_stopped(
    machines: Bundle, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: int
) -> None:
    class CutError(Exception):
        pass

    files = [tmp_path / f"{name}.csv" for name in "abc"]
    for place, path in enumerate(files):
        path.write_text(table(10 * (place + 1)))
    real, calls = score_file, 0

    def cut(*given: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        found = real(*given, **named)  # type: ignore[arg-type]
        if calls == file:
            raise CutError
        return found

    with monkeypatch.context() as broken:
        broken.setattr(score_module, "score_file", cut)
        with pytest.raises(CutError):
            score(machines, device, *files)
    outcome = score(machines, device, *files)
    assert [summary.resumed_at == summary.rows for summary in outcome.summaries] == [place < file for place in range(3)]
    assert rows_counted(machines, device) == 60
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "b.csv", "c.csv"]


def test_strict_means_every_file(machines: Bundle, device: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(table(10))
    (tmp_path / "b.csv").write_text(table(4, "Z"))
    outcome = score(machines, device, tmp_path / "a.csv", tmp_path / "b.csv")
    outcome.refuse(strict=False)
    with pytest.raises(InputError, match="4 rows broke a rule"):
        outcome.refuse(strict=True)


def test_the_progress_of_a_batch_is_that_of_all_its_bytes(machines: Bundle, device: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(table(100))
    heard: list[tuple[int, int | None, int]] = []
    asked = Asked((tmp_path / "a.csv", tmp_path / "b.csv"), tmp_path / "out", bundle=machines.path)
    score_command(device, asked, Listener(advance=lambda *words: heard.append(words)))
    size = (tmp_path / "a.csv").stat().st_size
    assert heard == [(size, 2 * size, 100), (2 * size, 2 * size, 200)]
