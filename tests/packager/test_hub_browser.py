"""The hub's pages in a real browser: whole, calm, readable on a phone, and usable without a mouse."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from browser import FOUND, Page, browser
from hakobu.hub.database import Database
from hakobu.hub.web.app import create_app
from hakobu.hub.web.login import COOKIE
from hub_shown import log_in, settings_of, shown
from hub_world import FIRST, MODEL, ODD, SECOND, machines

__all__ = ["shown"]

pytestmark = pytest.mark.skipif(FOUND is None, reason="there is no chromium")

PAGES = ["/", f"/drift/{MODEL}/{FIRST}", f"/drift/{MODEL}/{SECOND}?by=week", f"/drift/{MODEL}/{FIRST}/temp",
         f"/drift/{MODEL}/{FIRST}/origin?by=month", f"/model/{MODEL}/{FIRST}", "/alarms",
         f"/devices/{machines(12)[ODD].name}", "/devices/nobody-here", "/login"]  # fmt: skip

CONTRAST = """
(() => {
  const HIDDEN = ".vh, .skip, option, datalist";
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 1;
  const brush = canvas.getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    brush.clearRect(0, 0, 1, 1);
    for (const colour of colours) { brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1); }
    return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
  };
  const light = ([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const seen = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; node = walker.nextNode();) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest(HIDDEN)) continue;
    const grounds = [];
    for (let part = element; part; part = part.parentElement) grounds.unshift(getComputedStyle(part).backgroundColor);
    const style = getComputedStyle(element), inSvg = element instanceof SVGElement;
    const colour = inSvg ? style.fill : style.color;
    const both = [light(over(["#fff", ...grounds])), light(over(["#fff", ...grounds, colour]))];
    const [low, high] = both.sort((one, other) => one - other);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) seen[`${element.tagName}.${element.getAttribute("class") || ""} ${colour}`] = ratio.toFixed(2);
  }
  return seen;
})()
"""


@contextmanager
def serving(database: Database) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(settings_of(database)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def page(shown: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, str]]:
    """A browser in which the operator is logged in, and the address of the hub."""
    folder: Path = tmp_path_factory.mktemp("browser")
    token, _ = log_in(shown)
    with serving(shown) as address, browser(folder) as tab:
        tab.look(390)
        tab.visit(f"{address}/login")
        tab.keep_cookie(address, COOKIE, token)
        yield tab, address


def test_pages_are_whole_ask_nobody_else_and_complain_of_nothing(page: tuple[Page, str]) -> None:
    tab, address = page
    for place in PAGES:
        tab.visit(address + place)
        assert tab.evaluate("document.querySelectorAll('main h1').length") == 1, place
    complaints = [one for one in tab.complaints if "404" not in one]
    assert complaints == []
    assert {url for url in tab.requests if not url.startswith((address, "about:"))} == set()


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_phone_scrolls_a_page_in_one_direction_only(page: tuple[Page, str], language: str) -> None:
    tab, address = page
    tab.look(390)
    for place in PAGES:
        tab.visit(address + place + ("&" if "?" in place else "?") + f"lang={language}")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, place


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_stand_out_from_the_ground(page: tuple[Page, str], scheme: str) -> None:
    tab, address = page
    tab.look(1240, scheme=scheme)
    for place in PAGES:
        tab.visit(f"{address}{place}")
        assert tab.evaluate(CONTRAST) == {}, place


def test_the_map_shows_its_newest_windows_first(page: tuple[Page, str]) -> None:
    tab, address = page
    tab.look(390)
    tab.visit(f"{address}/drift/{MODEL}/{FIRST}")
    seen = "(e => { const r = e.getBoundingClientRect(); return r.right <= innerWidth && r.left > 0; })"
    assert tab.evaluate(f"{seen}(document.querySelector('.map tbody tr td:last-child'))")
    assert tab.evaluate(f"{seen}(document.querySelector('.map tbody tr th'))")


def test_the_keyboard_reaches_the_content_and_its_focus_is_seen(page: tuple[Page, str]) -> None:
    tab, address = page
    tab.look(1240)
    tab.visit(f"{address}/alarms")
    tab.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == "#content"
    assert tab.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    tab.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_light_and_dark_can_be_turned_over_and_are_kept(page: tuple[Page, str]) -> None:
    tab, address = page
    tab.look(1240)
    tab.visit(f"{address}/alarms")
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.evaluate("document.getElementById('theme').click()")
    tab.visit(f"{address}/")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.evaluate("localStorage.clear()")


def test_a_search_works_without_a_script(page: tuple[Page, str]) -> None:
    tab, address = page
    tab.look(1240)
    tab.visit(f"{address}/?q=gate&state=silent")
    assert tab.evaluate("[...document.querySelectorAll('.devices tbody tr td:first-child')].map(e => e.innerText)") == [
        machines(12)[4].name
    ]
    assert tab.evaluate("document.querySelector('select[name=state]').value") == "silent"
