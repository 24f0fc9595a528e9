"""The report's page: what it shows, what it leaves out, and that nothing in the data becomes markup."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hakobu.gates.answers import Answers
from hakobu.gates.evidence import (
    Dependence,
    Evidence,
    GroupMetric,
    Importance,
    Interval,
    RangeChange,
    Rival,
    Seen,
)
from hakobu.pack.build import Built
from hakobu.project import Project, read_project
from hakobu.report.charts.confusion import confusion
from hakobu.report.charts.curves import Ranking, curves
from hakobu.report.charts.predictions import values_said
from hakobu.report.charts.residuals import residuals
from hakobu.report.draw.label import cut, width_of
from hakobu.report.draw.scale import spanning, tick_texts, ticks, with_spread
from hakobu.report.page import page, report_path, write_report
from hakobu.report.review import reviews
from hakobu.resources import folder
from hakobu.settings import FeatureTable
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.feature import Kind, Range
from hakobu_runtime.format.manifest import Manifest, Metric, Provenance
from hakobu_runtime.format.validation import Gate, Outcome, Stage
from hakobu_runtime.model import Predicted

EVIL = "\"'></text></svg></style><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"

TOML = """\
[model]
name = "pumps"
version = "1.0.0"
task = "{task}"

[data]
path = "data.csv"
target = "y"

[gates.metrics]
roc_auc = ">= 0.6"

[features]
a = {{ kind = "number" }}
"""

ROWS = 300
ALL = {"gates", "champion", "metrics", "performance", "importance", "fairness", "features", "latency", "provenance"}

Make = Callable[..., Built]


def seen(name: str = "a", **changes: object) -> Seen:
    table = FeatureTable("number", unit=EVIL, description=EVIL)
    whole = Seen(
        name=name, kind=Kind.NUMBER, table=table, learned=(3, 5, 2), judged=(1, 0, 2), missing=(0.1, 0.0), shift=0.3,
        edges=(0.0, 1.0, 2.0, 3.0), allowed=Range(0.5, 2.5), span=(0.0, 3.0),
    )  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


def answered(classes: int, seed: int = 0) -> tuple[Answers, np.ndarray]:
    rng = np.random.default_rng(seed)
    names = np.array([f"{place}{EVIL}" for place in range(classes)], dtype=object)
    codes = rng.integers(0, classes, ROWS)
    odds = rng.dirichlet(np.ones(classes), ROWS) + 0.5 * np.eye(classes)[codes]
    odds /= odds.sum(axis=1, keepdims=True)
    return Answers({"predict": names[odds.argmax(axis=1)], "predict_proba": odds}, names), names[codes]


def classified(classes: int = 2) -> Evidence:
    answers, y = answered(classes)
    return Evidence(
        target=y,
        answers=answers,
        classes=tuple(answers.classes.tolist() if answers.classes is not None else ()),
        metric="roc_auc",
        intervals={"roc_auc": Interval(0.8, 0.7, 0.9)},
        folds={"roc_auc": (0.7, 0.8, float("nan"))},
        importances=(Importance(EVIL, 0.2, 0.01), Importance("a", -0.01, 0.02)),
        dependences=(Dependence("a", (1.0, 2.0), (0.2, 0.4)), Dependence(EVIL, ("x", EVIL), (0.1, 0.3))),
        groups=(
            GroupMetric(EVIL, EVIL, 100, "roc_auc", 0.8),
            GroupMetric(EVIL, "few", 3, "roc_auc", float("nan")),
            GroupMetric(EVIL, EVIL, 100, f"given {EVIL}", 0.5),
        ),
        seen=(seen(), seen(EVIL, edges=(), names=(EVIL, "x", "y"), kind=Kind.CATEGORY, allowed=None, categories=3)),
        provenance=Provenance("d" * 64, "s" * 64, 1200, ROWS, 0, "3.11", {"numpy": "2", EVIL: EVIL}),
        latency=(0.0001, 0.0002, 0.0003),
    )


def rival_of(evidence: Evidence, manifest: Manifest) -> Rival:
    answers, _ = answered(2, 1)
    odds = answers.by_method["predict_proba"].astype(np.float32)
    changes = (
        RangeChange("a", "number, 0 to 5 bar, else warn", f"number, 0 to 9 {EVIL}, else warn", 0.25),
        RangeChange("c", "category, 2 categories: p, q, else warn", "category, 2 categories: p, r, else warn", 0.0,
                    ("r",), ("q",)),
        RangeChange("new", "", EVIL, float("nan")),
    )  # fmt: skip
    interval = Interval(0.1, 0.05, 0.2)
    predicted = Predicted(odds.argmax(axis=1), odds, None)
    return Rival(manifest, "c" * 64, predicted, "roc_auc", interval, interval, interval, changes)


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Project]:
    def read(task: str) -> Project:
        (tmp_path / "hakobu.toml").write_text(TOML.format(task=task))
        return read_project(tmp_path)

    return read


@pytest.fixture
def make(project: Callable[[str], Project]) -> Make:
    def made(evidence: Evidence, *, task: str = "classification", failed: bool = False, **metrics: Metric) -> Built:
        gates = (
            Gate(Stage.DATA, "rows", EVIL, "1200", "50", Outcome.PASSED),
            Gate(Stage.DATA, "shift", "worst", EVIL, "none", Outcome.NOT_JUDGED, EVIL),
            Gate(Stage.MODEL, "roc_auc", "on the hold-out", "0.5", ">= 0.6",
                 Outcome.FAILED if failed else Outcome.PASSED, "improve it" if failed else ""),
        )  # fmt: skip
        of = project(task)
        of.bundle_path.parent.mkdir(exist_ok=True)
        of.bundle_path.write_bytes(b"a bundle")
        path = None if failed else of.bundle_path
        found = metrics or {"roc_auc": Metric(0.9, 0.8), "accuracy": Metric(0.9, float("nan"))}
        return Built(of, gates, found, "20% of rows", path, evidence, "d" * 64, {EVIL: EVIL})

    return made


class Reader(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids |= {value or "" for name, value in attrs if name == "id" and tag == "section"}


def whole(tiny_manifest: Manifest) -> Evidence:
    evidence = classified()
    return replace(evidence, rival=rival_of(evidence, tiny_manifest))


def test_everything_that_was_measured_has_its_section(make: Make, tiny_manifest: Manifest) -> None:
    assert Reader(page(make(whole(tiny_manifest)))).ids == ALL


def test_what_was_not_measured_has_no_section(make: Make) -> None:
    built = replace(make(Evidence(), failed=True), metrics={})
    assert Reader(page(built)).ids == {"gates", "provenance"}


def test_nothing_in_the_data_becomes_markup(make: Make, tiny_manifest: Manifest) -> None:
    found = Reader(page(make(whole(tiny_manifest))))
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_only_the_page_s_own_script_may_run(make: Make) -> None:
    text = page(make(classified()))
    assert "default-src 'none'" in text
    assert re.search(r"script-src 'sha256-[\w+/=]{44}'", text)


def test_the_page_names_no_other_place(make: Make, tiny_manifest: Manifest) -> None:
    found = Reader(page(make(whole(tiny_manifest))))
    assert not {"link", "iframe", "object", "image", "use"} & set(found.tags)
    places = [value or "" for name, value in found.attributes if name in ("src", "href", "action", "data")]
    assert [place for place in places if not place.startswith("#")] == []


def test_the_same_build_gives_the_same_page_but_for_the_latency(make: Make) -> None:
    evidence = classified()
    first, again = page(make(evidence)), page(make(evidence))
    slower = page(make(replace(evidence, latency=(0.1, 0.2, 0.4))))
    section = re.compile(r'<section id="latency">.*?</section>', re.DOTALL)
    assert first == again
    assert first != slower
    assert section.sub("", first) == section.sub("", slower)


def test_the_report_of_a_stopped_build_is_not_put_into_dist(make: Make) -> None:
    passed, stopped = make(classified()), make(classified(), failed=True)
    assert report_path(passed) == passed.project.root / "dist" / "pumps-1.0.0.html"
    assert report_path(stopped) == stopped.project.root / "reports" / "pumps-1.0.0-failed.html"


def test_a_report_that_cannot_be_written_is_told(make: Make) -> None:
    built = make(classified(), failed=True)
    (built.project.root / "reports").touch()
    with pytest.raises(ProjectError, match="the report cannot be written"):
        write_report(built)


def test_a_failed_gate_comes_first_and_with_its_remedy(make: Make) -> None:
    text = page(make(classified(), failed=True))
    assert "Stopped" in text
    assert text.index("improve it") < text.index(">shift<")


def test_a_gate_that_was_not_judged_is_told_at_the_top(make: Make) -> None:
    assert "1 gate could not be judged" in page(make(classified()))


@pytest.mark.parametrize("classes", [3, 9, 40])
def test_many_classes_are_drawn_as_far_as_one_can_see(make: Make, classes: int) -> None:
    text = page(make(classified(classes)))
    assert ("Confusion matrix" in text) == (classes <= 30)
    assert "ROC curve" in text


def test_a_hold_out_of_one_class_has_no_curve() -> None:
    odds = np.tile([0.4, 0.6], (80, 1))
    titles = [figure.title for figure in curves(np.zeros(80, dtype=np.int64), ("a", "b"), [Ranking("m", odds)])]
    assert titles == ["Calibration"]


def test_a_regression_shows_its_residuals(make: Make) -> None:
    y = np.random.default_rng(0).normal(size=ROWS)
    evidence = replace(
        classified(), target=y, classes=(), answers=Answers({"predict": y + 0.1}, None), predicted=None, groups=()
    )
    text = page(make(evidence, task="regression", r2=Metric(0.9, 0.8)))
    assert "Residuals by prediction" in text
    assert "ROC curve" not in text


def test_hundreds_of_features_are_folded_away_and_stay_small(make: Make) -> None:
    many = tuple(seen(f"feature_{place}") for place in range(300))
    drops = tuple(Importance(one.name, 1 / (place + 1), 0.01) for place, one in enumerate(many))
    text = page(make(replace(classified(), seen=many, importances=drops)))
    assert "276 less important features" in text
    assert len(text.encode()) < 1_200_000
    few = page(make(replace(classified(), seen=many[:20], importances=drops[:20])))
    assert len(few.encode()) < 200_000


numbers = st.floats(-1e12, 1e12, allow_nan=False)
_PLACES = re.compile(r'(?:d|x|y|cx|cy|width|height)="[^"]*(?:nan|inf)')


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30))
def test_whatever_a_regression_says_every_place_in_a_picture_is_a_number(pairs: list[tuple[float, float]]) -> None:
    true, said = np.array(pairs).T
    for figure in (*residuals(true, said), *values_said(true, said)):
        assert not _PLACES.search(figure.drawing)


@settings(max_examples=200, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=5), st.integers(2, 8))
def test_ticks_are_few_lie_within_and_read_differently(values: list[float], most: int) -> None:
    low, high = spanning(values)
    found = ticks(low, high, most)
    assert low < high
    assert len(found) <= most
    assert all(low <= tick <= high or np.isclose(tick, low) or np.isclose(tick, high) for tick in found)
    if abs(high) < 1e6 * (high - low):
        assert len(set(tick_texts(found))) == len(found)


@given(st.text(max_size=60), st.integers(2, 20))
def test_a_name_that_is_cut_fits(text: str, most: int) -> None:
    assert width_of(cut(text, most)) <= most


def test_a_spread_tells_how_many_decimals_mean_something() -> None:
    assert with_spread(0.0512345, 0.0043) == "0.0512 ± 0.0043"
    assert with_spread(12.3456, 0.0) == "12.35"


def test_a_matrix_tells_the_share_of_each_true_class() -> None:
    codes, said = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    (figure,) = confusion(codes, said, ("a", "b"))
    assert "a taken for b: 1 rows, 33.3%" in figure.drawing
    assert "b taken for b: 1 rows, 100.0%" in figure.drawing


def test_a_review_marks_the_words_that_changed() -> None:
    (found,) = reviews([RangeChange("a", "number, 0 to 5 bar, else warn", "number, 0 to 9 bar, else warn", 0.25)])
    assert [text for text, changed in found.before if changed] == ["5"]
    assert [text for text, changed in found.after if changed] == ["9"]
    assert "".join(text for text, _ in found.after) == "number, 0 to 9 bar, else warn"
    assert found.note.startswith("25.00%")


def test_a_review_of_categories_names_those_that_came_and_went() -> None:
    line = "category, 2 categories: {}, else reject"
    change = RangeChange("c", line.format("p, q"), line.format("p, r"), 0.0, ("r",), ("q",))
    (found,) = reviews([change])
    assert (found.before, found.after) == ((), ())
    assert (found.removed, found.added) == ("q", "r")


def test_a_review_of_a_new_input_says_so() -> None:
    (found,) = reviews([RangeChange("c", "", "number, 0 to 1, else warn", float("nan"))])
    assert found.before == ()
    assert found.note == "a new input"


def palettes() -> list[dict[str, str]]:
    text = (folder("templates") / "report" / "palette.jinja").read_text("utf-8")
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in text.split("endmacro")[:2]]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, 1.4.3."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("place", [0, 1])
def test_words_and_lines_stand_out_from_the_ground_in_light_and_dark(place: int) -> None:
    colours = palettes()[place]
    for ground in ("page", "card"):
        for words in ("ink", "muted", "good", "bad", "warn"):
            assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground)
        for line in ("c0", "c1", "c2", "c3", "c4", "c5"):
            assert contrast(colours[line], colours[ground]) >= 3, (line, ground)
    for words, ground in combinations(("ink", "del", "add", "del-word", "add-word"), 2):
        if words == "ink":
            assert contrast(colours[words], colours[ground]) >= 4.5, ground
