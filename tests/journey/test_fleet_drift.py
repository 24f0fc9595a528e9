"""`hakobu drift` as an operator runs it: from a folder of parcels to a verdict, a page and an exit code."""

import json
import subprocess
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from browser import FOUND, browser
from fleet_counts import counted, day, gone, high, known_manifest, parcel, right_and_wrong
from hakobu.fleet.folder import Fleet
from hakobu_runtime.bundle import open_bundle, pack_files
from hakobu_runtime.format.codec import encode
from hakobu_runtime.format.manifest import Manifest
from hakobu_runtime.format.outcome import SCHEMA as OUTCOME
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import Parcel
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.trust import Keyring, Pin, PrivateKey, sign
from hakobu_runtime.uplink.parcel import pack_parcel, read_parcel

Command = Callable[..., subprocess.CompletedProcess[str]]
EVIL = "\"'></text></svg></style><script>alert(1)</script>"
DEVICES = tuple(f"device-{one:02}" for one in range(8))


@pytest.fixture(scope="module")
def box(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_files: Mapping[str, bytes],
    tiny_manifest: Manifest,
    release_key: PrivateKey,
) -> Path:
    """A box whose inputs have a reference, and an evil description."""
    known = known_manifest(tiny_manifest)
    features = (known.features[0], msgspec.structs.replace(known.features[1], description=EVIL, unit=EVIL))
    files = {**tiny_files, "manifest.json": encode(msgspec.structs.replace(known, features=features))}
    path = tmp_path_factory.mktemp("box") / "tiny-1.0.0.hako"
    path.write_bytes(pack_files({**files, "model.sig": sign(files, release_key)}))
    return path


@pytest.fixture(scope="module")
def model(box: Path, release_key: PrivateKey) -> ModelName:
    return ModelName("tiny", "1.0.0", open_bundle(box, Keyring((Pin(release_key.public),))).digest)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, model: ModelName) -> Path:
    """Eight devices in three weeks: load rises in the third, and one device's temp does not reach it."""
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("fleet") / "fleet"
    for device in DEVICES:
        windows = {}
        for number in range(21):
            spoilt = {"load": high(60)} if number >= 14 else {}
            spoilt |= {"temp": gone(60)} if device == DEVICES[3] else {}
            windows[day(number)] = counted(rng, 60, spoilt)
            windows[day(number)].breaches = {"load": {"above": 60}} if number >= 14 else {}
        results = tuple(
            Outcome(OUTCOME, device, model, day(number), 1, "e", -20, right_and_wrong(50, 45)) for number in range(21)
        )
        put(folder, parcel(device, model, windows, key := PrivateKey.generate(), results), key)
    return folder


def put(folder: Path, one: Parcel, key: PrivateKey) -> None:
    content = pack_parcel(one, key)
    Fleet(folder).take(read_parcel(content, "a parcel"), content)


@pytest.fixture
def drift(hakobu: Command, box: Path, public_key: Path) -> Command:
    return lambda *words: hakobu("drift", *words, "--bundle", box, "--key", public_key, "--by", "week")


def test_a_fleet_that_has_drifted_ends_with_3_and_names_what_and_who_is_odd(drift: Command, fleet: Path) -> None:
    ended = drift(fleet)
    assert ended.returncode == 3, ended.stderr
    assert "tiny 1.0.0: 10,080 rows of 8 devices" in ended.stdout
    assert "2026-W12: load has drifted: 100 % of rows are 10 or more, in training 0.0 %" in ended.stdout
    assert "odd, and left out of the above: 1 feature of 1 device" in ended.stdout
    assert "device-03 (2026-W10, 2026-W11, 2026-W12): 100 % of its values of temp are missing" in ended.stdout
    assert "2,800 of 3,360" in ended.stdout, "labels beside the rows"


def test_the_json_holds_all_of_it(drift: Command, fleet: Path) -> None:
    told = json.loads(drift(fleet, "--json").stdout)
    assert (told["schema"], told["by"]) == ("hakobu.fleet-drift/1", "week")
    (one,) = told["bundles"]
    assert (one["devices"], one["rows"]) == (8, 10_080)
    assert [period["start"] for period in one["periods"]] == ["2026-W10", "2026-W11", "2026-W12"]
    newest = one["periods"][-1]
    assert {found["name"]: found["judgement"] for found in newest["findings"]} == {
        "temp": "ok", "load": "alarm", "(label)": "ok",
    }  # fmt: skip
    assert [(found["device"], found["feature"], found["kind"]) for found in newest["odd"]] == [
        ("device-03", "temp", "missing")
    ]
    assert newest["breaches"] == {"load": {"above": 7 * 8 * 60}}
    assert one["outcomes"][-1]["standings"][0]["judgement"] == "ok"


def test_before_it_drifted_a_fleet_ends_with_0_and_odd_devices_alone_are_no_alarm(
    drift: Command, fleet: Path, tmp_path: Path
) -> None:
    early = tmp_path / "early"
    for device in Fleet(fleet).devices():
        for opened in Fleet(fleet).parcels(device):
            key = PrivateKey.generate()
            tallies = tuple(one for one in opened.parcel.tallies if one.window.start < "2026-03-16")
            put(
                early,
                msgspec.structs.replace(opened.parcel, key=key.public.pem.decode(), tallies=tallies, outcomes=()),
                key,
            )
    ended = drift(early)
    assert (ended.returncode, "odd, and left out" in ended.stdout) == (0, True), ended.stdout
    assert drift(early, "--since", "2026-04-01").stdout == "nothing was counted\n"


def test_a_stick_with_a_forged_parcel_is_judged_without_it(drift: Command, fleet: Path, tmp_path: Path) -> None:
    loose = tmp_path / "mail"
    loose.mkdir()
    for device in Fleet(fleet).devices():
        (loose / f"{device}.parcel").write_bytes((fleet / device / "1.parcel").read_bytes())
    content = (loose / "device-05.parcel").read_bytes()
    (loose / "device-05.parcel").write_bytes(content.replace(b'"sig":"', b'"sig":"AAAA', 1))
    ended = drift(loose)
    assert ended.returncode == 3
    assert "refused: " in ended.stderr
    assert "device-05.parcel" in ended.stderr
    assert "of 7 devices" in ended.stdout


def test_the_bundles_come_from_a_depot_too(hakobu: Command, publisher: Any, fleet: Path, box: Path) -> None:
    publisher.publish(box)
    ended = hakobu("drift", fleet, "--depot", publisher.path, "--by", "week")
    assert ended.returncode == 3, ended.stderr


def test_bad_input_ends_with_a_line_and_its_own_code(
    hakobu: Command, drift: Command, fleet: Path, tmp_path: Path
) -> None:
    for ended, code, words in (
        (drift(tmp_path / "none"), 6, "there is no such folder"),
        (hakobu("drift", fleet), 2, "none of these bundles is at hand"),
        (drift(fleet, "--since", "yesterday"), 2, "'yesterday' is no time ago like 30d"),
        (drift(fleet, "--html", tmp_path / "no" / "page.html"), 2, "the page cannot be written"),
        (drift(tmp_path), 7, "holds no parcels"),
    ):
        assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
        assert "Traceback" not in ended.stderr


class Scripts(HTMLParser):
    """Counts the scripts and the images of a page."""

    found = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += tag in ("script", "img")


@pytest.fixture(scope="module")
def page(hakobu: Command, box: Path, public_key: Path, fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "drift.html"
    hakobu("drift", fleet, "--bundle", box, "--key", public_key, "--by", "day", "--html", path)
    return path


def test_nothing_in_the_data_becomes_markup(page: Path) -> None:
    scripts = Scripts()
    scripts.feed(page.read_text("utf-8"))
    assert scripts.found == 1
    assert EVIL not in page.read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page.read_text("utf-8")


@pytest.mark.skipif(FOUND is None, reason="there is no chromium: build/install-apt-packages.sh installs it")
def test_a_browser_shows_the_page_whole_and_asks_nothing_of_the_network(page: Path, tmp_path: Path) -> None:
    with browser(tmp_path) as shown:
        for width, scheme in ((1200, "light"), (390, "dark")):
            shown.look(width, scheme=scheme)
            shown.open(page)
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.evaluate("document.querySelector('h1').textContent") == "tiny1.0.0"
            assert shown.evaluate("document.querySelectorAll('.heat tbody tr').length") == 3
            assert shown.evaluate("document.querySelectorAll('.heat i.alarm').length") == 7
            assert shown.evaluate("document.querySelectorAll('.moved svg').length") >= 5
        assert shown.requests == [page.as_uri()] * 2
        assert shown.complaints == []
