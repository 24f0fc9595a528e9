"""The report of a build, opened in a real browser as whoever gets it would open it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import browser
from browser import Page
from hakobu.pack.build import build
from hakobu.project import read_project
from hakobu.report.page import write_report
from hakobu_runtime.trust import PrivateKey

pytestmark = pytest.mark.skipif(
    browser.FOUND is None, reason="no chromium here; build/install-apt-packages.sh installs it"
)

LONG = "the mean of the last minute at the inlet of pump number seven, as the controller wrote it"
EVIL = "</style><script>document.title = 'owned'</script>"

TOML = f"""\
[model]
name = "pumps"
version = "1.0.0"
task = "classification"
description = "{EVIL}"

[data]
path = "data.csv"
target = "y"

[gates]
leakage = 1.0
{{gates}}

[gates.fairness]
groups = ["crew"]

[features]
"{LONG}" = {{{{ kind = "number", unit = "{EVIL}" }}}}
b = {{{{ kind = "number" }}}}
"{EVIL}" = {{{{ kind = "category" }}}}
"""

PIPELINE = """\
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def build():
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = ColumnTransformer(
        [("text", texts, make_column_selector(dtype_include=object)),
         ("number", StandardScaler(), make_column_selector(dtype_exclude=object))]
    )
    return make_pipeline(encode, LogisticRegression())
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a build that passed, and of one that was stopped."""
    rng, rows = np.random.default_rng(0), 900
    table = pd.DataFrame({LONG: rng.normal(size=rows).round(3), "b": rng.normal(size=rows).round(3)})
    table[EVIL] = rng.choice([EVIL, "大阪府堺市", "x" * 80], rows)
    table["crew"] = rng.choice(["A", "B"], rows)
    drive = table[LONG] + table["b"] + (table[EVIL] == EVIL) + rng.normal(0, 0.7, rows)
    table["y"] = np.where(drive > 0.3, EVIL, "good")
    found = {}
    for name, gates in (("passed", ""), ("stopped", "dummy_margin = 0.9")):
        root = tmp_path_factory.mktemp(name)
        (root / "hakobu.toml").write_text(TOML.format(gates=gates), "utf-8")
        (root / "pipeline.py").write_text(PIPELINE, "utf-8")
        table.to_csv(root / "data.csv", index=False)
        found[name] = write_report(build(read_project(root), PrivateKey.generate()))
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser.browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


Open = Callable[..., Page]


@pytest.fixture
def opened(page: Page, reports: dict[str, Path]) -> Open:
    def go(name: str, width: int = 1280, scheme: str = "light") -> Page:
        page.requests.clear()
        page.complaints.clear()
        page.look(width, scheme=scheme)
        page.open(reports[name])
        return page

    return go


@pytest.mark.parametrize("name", ["passed", "stopped"])
def test_a_report_asks_nothing_of_the_network_and_complains_of_nothing(opened: Open, name: str) -> None:
    page = opened(name)
    assert [url for url in page.requests if not url.startswith("file://")] == []
    assert len(page.requests) == 1
    assert page.complaints == []


def test_no_name_in_the_data_becomes_markup(opened: Open) -> None:
    page = opened("passed")
    assert page.evaluate("document.title") == "pumps 1.0.0: Passed"
    assert page.evaluate("document.scripts.length") == 1
    assert page.evaluate("document.querySelectorAll('style').length") == 1
    assert EVIL in page.evaluate("document.body.textContent")


@pytest.mark.parametrize("name", ["passed", "stopped"])
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_sticks_out_at_the_side(opened: Open, name: str, width: int) -> None:
    page = opened(name, width)
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = (
        "[...document.querySelectorAll('main *')].filter(one => { const box = one.getBoundingClientRect();"
        f" return box.width && box.right > {width} + 1; }}).map(one => one.outerHTML.slice(0, 80))"
    )
    assert page.evaluate(beyond) == []


def test_the_page_follows_the_colours_of_the_system_and_the_button(opened: Open) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = opened("passed", scheme="light").evaluate(ground)
    page = opened("passed", scheme="dark")
    dark = page.evaluate(ground)
    assert light == "rgb(245, 246, 248)"
    assert dark == "rgb(14, 19, 26)"
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(ground) == light
    page.evaluate("document.getElementById('theme').click()")
    assert page.evaluate(ground) == dark


def test_every_link_of_the_page_leads_somewhere(opened: Open) -> None:
    page = opened("passed")
    lost = (
        "[...document.querySelectorAll('a')].map(one => one.getAttribute('href'))"
        ".filter(href => !href.startsWith('#') || !document.getElementById(href.slice(1)))"
    )
    assert page.evaluate(lost) == []


def test_words_in_pictures_stay_within_their_card(opened: Open) -> None:
    page = opened("passed", 390)
    outside = (
        "[...document.querySelectorAll('.card svg.plot')].flatMap(plot => { const card ="
        " plot.closest('.card').getBoundingClientRect(); return [...plot.querySelectorAll('text')].filter(one => {"
        " const box = one.getBoundingClientRect(); return box.right > card.right + 1 || box.left < card.left - 1; })"
        ".map(one => one.textContent); })"
    )
    assert page.evaluate(outside) == []


def test_a_report_that_was_stopped_says_so_first(opened: Open) -> None:
    page = opened("stopped")
    assert page.evaluate("document.querySelector('.verdict strong').textContent") == "Stopped"
    assert page.evaluate("document.querySelector('.gate .tag').textContent") == "failed"
    assert page.evaluate("document.querySelector('.verdict').getBoundingClientRect().bottom < 600")
