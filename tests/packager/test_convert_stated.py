"""What is said of a model, and where the result goes, is checked before anything is converted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hakobu.convert.destination import check_destination, write_model
from hakobu.convert.sample import Sample
from hakobu.convert.stated import Stated, stated
from hakobu.convert.told import told_by
from hakobu.settings import Task
from hakobu_runtime.errors import InputError, UsageError
from hakobu_runtime.format.block import Block
from hakobu_runtime.format.manifest import Dtype


@pytest.mark.parametrize(
    ("task", "classes", "known"),
    [
        (None, None, (0, 1)),
        ("classification", None, (0, 1)),
        ("classification", "no, yes", ("no", "yes")),
        (None, "0,1", (0, 1)),
        ("regression", None, ()),
    ],
)
def test_what_the_model_says_too_may_be_stated(task: str | None, classes: str | None, known: tuple[Any, ...]) -> None:
    stated(task, classes, None).check_classes(known)


@pytest.mark.parametrize(
    ("said", "known", "words"),
    [
        (Stated(task=Task.REGRESSION), (0, 1), "--task regression: the model is a classification; leave --task out"),
        (Stated(task=Task.CLASSIFICATION), (), "--task classification: the model is a regression"),
        (
            Stated(classes=("yes", "no")),
            ("no", "yes"),
            "--classes yes,no: the model knows its classes by itself",
        ),
        (Stated(classes=("a", "b")), tuple(range(12)), "0, 1, 2, 3, 4, 5, 6, 7, ...; leave --classes out"),
        (Stated(classes=("a", "b")), (), "predicts a number, and has no classes"),
    ],
)
def test_what_contradicts_the_model_is_refused(said: Stated, known: tuple[Any, ...], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        said.check_classes(known)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("task", "classes"), [("regression", "a,b"), (None, "a"), (None, "a,,b"), (None, "a,b,a"), (None, "")]
)
def test_classes_that_make_no_sense_are_refused(task: str | None, classes: str) -> None:
    with pytest.raises(UsageError, match=f"--classes {classes}: .*--classes"):
        stated(task, classes, None)


def test_outputs_are_expected_of_a_model_alone_that_cannot_be_asked(tmp_path: Path) -> None:
    class Bare:
        proven = False

    Stated(expected="right").check_source(tmp_path / "m.onnx", Bare())
    Stated().check_source(tmp_path / "m.skops", object())
    with pytest.raises(UsageError, match=r"m\.skops is asked itself; leave --expected out"):
        Stated(expected="right").check_source(tmp_path / "m.skops", object())


def sample(texts: list[str]) -> Sample:
    expected = ("right", np.array(texts, dtype=object))
    return Sample(Path("told.csv"), (), Block(0, len(texts), {}, {}), Dtype.FLOAT32, expected)


def test_a_sample_tells_classes_or_numbers() -> None:
    for texts, known, outputs in (
        (["no", "yes"], ("no", "yes"), ["no", "yes"]),
        (["1", "0"], (0, 1), [1, 0]),
        (["1.5", "-2"], (), [1.5, -2.0]),
    ):
        told = told_by(sample(texts), known)
        assert told is not None
        assert told.predict(None).tolist() == outputs  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("perhaps", ("no", "yes"), "'perhaps' is none of the model's classes (no, yes)"),
        ("", ("no", "yes"), "the cell is empty"),
        ("", (), "the cell is empty"),
        ("much", (), "'much' is no number"),
        ("1e400", (), "'1e400' is no number"),
    ],
)
def test_a_cell_that_tells_no_output_is_named(text: str, known: tuple[Any, ...], words: str) -> None:
    with pytest.raises(InputError) as refused:
        told_by(sample(["no" if known else "1", text]), known)
    assert str(refused.value).startswith(f"told.csv: row 2, column 'right': {words}; --expected names")


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    model, rows = tmp_path / "モデル.skops", tmp_path / "rows.csv"
    model.write_text("m")
    rows.write_text("r")
    for path, kind, words in (
        (tmp_path, UsageError, f"is a folder; name the file in it: -o {tmp_path / 'モデル.onnx'}"),
        (model, UsageError, "is the model itself, which would be lost"),
        (rows, UsageError, "is the sample itself, which would be lost"),
        (tmp_path / "no" / "m.onnx", InputError, "is not there; make it"),
        (rows / "m.onnx", InputError, "rows.csv is a file, not a folder"),
        (tmp_path / ("x" * 300), InputError, "cannot be written: "),
    ):
        with pytest.raises(kind) as refused:
            check_destination(path, model, rows)
        assert words in str(refused.value)
        assert str(refused.value).startswith(str(path))
    check_destination(tmp_path / "m.onnx", model, rows)
    assert sorted(tmp_path.iterdir()) == sorted([model, rows])


def test_a_disk_that_refuses_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the model cannot be written: .*; name another file with -o"):
        write_model(tmp_path / "gone" / "m.onnx", b"")
