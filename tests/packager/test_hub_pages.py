"""The hub's pages: what each shows of a fleet, that it shows it safely, and who may change what."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, update

from hakobu.fleet.merge import outcome_totals
from hakobu.hub.bundles import KnownBundle, of_model
from hakobu.hub.database import Database
from hakobu.hub.devices import enrol
from hakobu.hub.intake import take
from hakobu.hub.outcome_totals import by_group, together
from hakobu.hub.pages import alarms, card, device, device_table, drift, feature, fleet, model
from hakobu.hub.pages.device_table import PAGE, Asked
from hakobu.hub.pages.drift import Heat
from hakobu.hub.pages.fleet import newest_first
from hakobu.hub.pages.page import address
from hakobu.hub.pages.published import Published
from hakobu.hub.pages.standings import Trouble
from hakobu.hub.pages.subjects import SHOWN, subjects
from hakobu.hub.pages.subjects import shown as shown_windows
from hakobu.hub.sightings import Kind
from hakobu.hub.tables import alarms as alarm_table
from hakobu.hub.tables import bundles as bundle_table
from hakobu.hub.tables import changes, devices, states
from hakobu.hub.tables import outcomes as outcome_table
from hakobu.hub.totals import series
from hakobu_runtime.format.codec import decode, encode
from hakobu_runtime.format.drift import Judgement
from hakobu_runtime.format.outcome import Outcome
from hakobu_runtime.format.parcel import HeldBack, ModelState
from hakobu_runtime.format.window import Span
from hakobu_runtime.uplink.parcel import pack_parcel
from hub_databases import _all_databases, database, databases, postgres_server
from hub_shown import VIEWER, Reader, looked_at, shown
from hub_sqlite import _sqlite_databases, sqlite
from hub_world import (
    BLOCKED,
    DIGESTS,
    FIRST,
    GROUPS,
    HELD,
    MODEL,
    NOW,
    ODD,
    ROLLED,
    SECOND,
    SILENT,
    UNREACHED,
    channel,
    contents,
    machines,
    parcels,
)  # fmt: skip

__all__ = ["_all_databases", "_sqlite_databases", "database", "databases", "postgres_server", "shown", "sqlite"]

CHANNELS = {(MODEL, "stable"): channel()}
EVIL = "\"'></td><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def connection(shown: Database) -> Iterator[Connection]:
    with shown.read() as connection:
        yield connection


@pytest.fixture
def first(connection: Connection) -> KnownBundle:
    return next(one for one in of_model(connection, MODEL) if one.version == FIRST)


def name_of(place: int) -> str:
    return machines(12)[place].name


# The fleet


def test_the_fleet_says_how_many_devices_run_each_version(connection: Connection) -> None:
    (found,) = fleet.view(connection, CHANNELS, NOW).models
    query = select(states.c.version, func.count()).group_by(states.c.version)
    assert {line.version: line.devices for line in found.versions} == dict(connection.execute(query).all())
    assert sum(line.share for line in found.versions) == pytest.approx(1)
    assert [line.version for line in found.versions] == [SECOND, FIRST]


def test_each_trouble_names_the_devices_that_have_it(connection: Connection) -> None:
    found = fleet.view(connection, CHANNELS, NOW)
    names = dict(connection.execute(select(devices.c.id, devices.c.name)).all())
    told = {trouble: {names[one] for one in ids} for trouble, ids in found.ids.items()}
    assert told[Trouble.ROLLED_BACK] == {name_of(ROLLED)}
    assert told[Trouble.HELD_BACK] == {name_of(HELD)}
    assert told[Trouble.SILENT] == {name_of(SILENT)}
    assert told[Trouble.CUT_OFF] == {name_of(UNREACHED)}
    assert told[Trouble.BLOCKED] == {name_of(BLOCKED)}
    assert told[Trouble.BEHIND] == {name_of(place) for place in (HELD, SILENT, UNREACHED, ROLLED)}


def test_why_a_version_is_held_back_is_told_in_the_device_s_words(connection: Connection) -> None:
    (found,) = fleet.view(connection, CHANNELS, NOW).models
    told = {(one.trouble, one.version): one for one in found.reasons}
    assert "golden row 12" in told[Trouble.HELD_BACK, SECOND].words
    assert told[Trouble.ROLLED_BACK, SECOND].example == name_of(ROLLED)
    assert "407" in told[Trouble.CUT_OFF, ""].words


def test_without_a_depot_a_device_is_behind_by_what_it_was_offered_itself(connection: Connection) -> None:
    found = fleet.view(connection, {}, NOW)
    names = dict(connection.execute(select(devices.c.id, devices.c.name)).all())
    assert {names[one] for one in found.ids[Trouble.BEHIND]} == {name_of(ROLLED)}


def test_what_was_held_back_before_the_running_version_calls_for_nobody(sqlite: Database) -> None:
    state = ModelState(MODEL, held_back=(HeldBack("1.0.0", "a" * 64, "it failed", NOW.isoformat()),))
    with sqlite.begin() as connection:
        add_device(connection, "device-one", version="1.2.0", content=encode(state))
        found = fleet.view(connection, {}, NOW)
    assert found.ids == {}


def test_adoption_adds_up_to_the_devices_on_every_day(connection: Connection) -> None:
    (found,) = fleet.view(connection, {}, NOW).models
    assert found.adoption is not None
    totals_by_day = [sum(column) for column in zip(*found.adoption.counts.values(), strict=True)]
    assert totals_by_day[-1] == found.devices
    assert all(before <= after for before, after in pairwise(totals_by_day))
    assert {version: counts[-1] for version, counts in found.adoption.counts.items()} == {
        line.version: line.devices for line in found.versions
    }


def test_a_device_whose_clock_is_ahead_does_not_stretch_the_adoption(sqlite: Database) -> None:
    with sqlite.begin() as connection:
        number = add_device(connection, "device-one", version="1.0.0")
        for days, version in ((-3, "1.0.0"), (4000, "2.0.0")):
            row = {"model": MODEL, "since": NOW + timedelta(days=days), "version": version, "digest": "a" * 64}
            connection.execute(insert(changes).values(device_id=number, **row))
        (found,) = fleet.view(connection, {}, NOW).models
    assert found.adoption is not None
    assert len(found.adoption.days) == 4
    assert found.adoption.counts == {"1.0.0": (1, 1, 1, 1)}


def test_refusals_of_the_last_days_are_counted_by_kind(connection: Connection) -> None:
    found = {line.kind: line.many for line in fleet.view(connection, {}, NOW).refusals}
    assert found == {"unknown-device": 3, "malformed": 2}
    assert fleet.view(connection, {}, NOW + timedelta(days=30)).refusals == ()


def test_a_hub_without_devices_has_a_page(sqlite: Database) -> None:
    with sqlite.read() as connection:
        found = fleet.view(connection, {}, NOW)
        table = device_table.view(connection, Asked(), found.ids, NOW)
    assert (found.devices, found.models, found.newest, table.rows, table.pages) == (0, (), None, (), 1)


def test_versions_are_ordered_as_versions_not_as_text() -> None:
    assert newest_first(["1.9.0", "1.10.0", "", "1.10.0-rc.1"]) == ["1.10.0", "1.10.0-rc.1", "1.9.0", ""]


# The table of devices


def add_device(
    connection: Connection, name: str, group: str = "", version: str = "", content: bytes = encode(ModelState(MODEL))
) -> int:
    row = {"name": name, "key": "k", "group_name": group, "enrolled": NOW, "seen": NOW}
    number = connection.execute(insert(devices).values(**row).returning(devices.c.id)).scalar_one()
    if version:
        state = {"device_id": number, "model": MODEL, "version": version, "digest": "a" * 64, "content": content}
        connection.execute(insert(states).values(**state))
    return int(number)


@pytest.fixture
def crowd(sqlite: Database) -> Database:
    """130 devices in two groups, of three versions."""
    with sqlite.begin() as connection:
        names = [
            {"id": place + 1, "name": f"device-{place:03d}", "key": "k", "group_name": ("", "plant")[place % 2]}
            for place in range(130)
        ]
        connection.execute(insert(devices), [{**row, "enrolled": NOW, "seen": NOW} for row in names])
        state = {"model": MODEL, "digest": "a" * 64, "content": encode(ModelState(MODEL))}
        versions = [{"device_id": place + 1, "version": f"1.{place % 3 + 8}.0", **state} for place in range(130)]
        connection.execute(insert(states), versions)
    return sqlite


def table_of(database: Database, **asked: object) -> device_table.DeviceTable:
    with database.read() as connection:
        ids = {Trouble.BEHIND: frozenset(connection.scalars(select(devices.c.id).where(devices.c.id <= 70)))}
        return device_table.view(connection, Asked(**asked), ids, NOW)  # type: ignore[arg-type]


def test_the_pages_of_the_table_hold_each_device_once(crowd: Database) -> None:
    pages = [table_of(crowd, page=page) for page in (1, 2, 3)]
    names = [row.name for page in pages for row in page.rows]
    assert names == sorted(names)
    assert len(set(names)) == len(names) == 130 == pages[0].found
    assert (pages[0].pages, len(pages[0].rows), len(pages[2].rows)) == (3, PAGE, 30)


def test_a_page_that_does_not_exist_is_the_last_one(crowd: Database) -> None:
    assert table_of(crowd, page=99).asked.page == 3
    assert table_of(crowd, page=-1).asked.page == 1


@pytest.mark.parametrize(
    ("asked", "many"),
    [
        ({"search": "-01"}, 10),
        ({"search": "DEVICE-129"}, 1),
        ({"search": "%"}, 0),
        ({"search": "_"}, 0),
        ({"search": "' OR 1=1 --"}, 0),
        ({"group": "plant"}, 65),
        ({"group": ""}, 65),
        ({"version": "1.10.0"}, 43),
        ({"version": "1.10.0", "group": "plant"}, 21),
        ({"model": "another"}, 0),
        ({"trouble": Trouble.BEHIND}, 70),
        ({"trouble": Trouble.SILENT}, 0),
        ({"trouble": Trouble.BLOCKED}, 0),
        ({"trouble": Trouble.BARRED}, 0),
    ],
)
def test_the_table_finds_what_is_asked_for(crowd: Database, asked: dict[str, object], many: int) -> None:
    assert table_of(crowd, **asked).found == many


def test_the_table_is_sorted_by_version_as_versions_are(crowd: Database) -> None:
    versions = [row.versions[0][1] for row in table_of(crowd, sort="version").rows]
    assert (versions[0], versions[-1]) == ("1.8.0", "1.9.0")
    assert {row.versions[0][1] for row in table_of(crowd, sort="version", is_down=True).rows[:40]} == {"1.10.0"}


def test_the_address_of_a_table_asks_for_the_same_table() -> None:
    asked = Asked("a b", MODEL, FIRST, "", Trouble.BEHIND, "seen", True, 3)
    found = address("/hub", **asked.query(page=4))
    assert found.startswith("/hub/?")
    assert "group=+" in found
    assert "page=4" in found
    assert address("", **Asked().query()) == "/"


# Drift


def test_the_map_has_a_cell_for_each_input_and_window(connection: Connection, first: KnownBundle) -> None:
    found = drift.view(connection, first, Span.DAY, None, None)
    assert found.shown is not None
    assert {row.name for row in found.rows} == {subject.name for subject in subjects(first.manifest)}
    assert {len(row.cells) for row in found.rows} == {len(found.shown.windows)} == {SHOWN[Span.DAY]}
    assert [cell.start for cell in found.rows[0].cells] == [window.start for window in found.shown.windows]


def test_outputs_come_after_the_inputs_and_the_worst_inputs_first(connection: Connection, first: KnownBundle) -> None:
    rows = drift.view(connection, first, Span.WEEK, None, None).rows
    assert [row.is_output for row in rows] == sorted(row.is_output for row in rows)
    inputs = [row for row in rows if not row.is_output]
    assert [row.alarms for row in inputs] == sorted((row.alarms for row in inputs), reverse=True)
    assert inputs[0].name in ("temp", "dewp")


def test_the_map_equals_the_judgement_of_all_rows(connection: Connection, first: KnownBundle) -> None:
    counted = dict(series(connection, first, None, Span.MONTH))
    found = drift.view(connection, first, Span.MONTH, None, None)
    assert found.shown is not None
    assert dict(zip((one.start for one in found.shown.windows), found.counted, strict=True)) == {
        window.start: counts.rows for window, counts in counted.items()
    }
    (temp,) = (row for row in found.rows if row.name == "temp")
    assert {cell.start: cell.heat for cell in temp.cells}["2013-06"] is Heat.ALARM


def test_the_newest_window_that_can_be_judged_speaks_at_the_top(connection: Connection, first: KnownBundle) -> None:
    found = drift.view(connection, first, Span.MONTH, None, None)
    assert found.latest == "2013-07"
    assert found.worst[0].judgement is Judgement.ALARM
    ranks = [(one.judgement.rank, one.debiased) for one in found.worst]
    assert ranks == sorted(ranks, reverse=True)


def test_groups_add_up_to_the_fleet(connection: Connection, first: KnownBundle) -> None:
    whole = drift.view(connection, first, Span.MONTH, None, None)
    parts = [drift.view(connection, first, Span.MONTH, group, None) for group in whole.groups]
    assert set(whole.groups) == set(GROUPS)
    assert sum(sum(part.counted) for part in parts) == sum(whole.counted)


def test_a_group_that_nobody_is_in_has_counted_nothing(connection: Connection, first: KnownBundle) -> None:
    found = drift.view(connection, first, Span.DAY, "nowhere", None)
    assert (found.shown, found.rows, found.worst, found.outcomes) == (None, (), (), None)


@pytest.mark.parametrize("span", [Span.DAY, Span.WEEK, Span.MONTH])
def test_pages_of_windows_follow_each_other(connection: Connection, first: KnownBundle, span: Span) -> None:
    newest = shown_windows(connection, first, None, span, None)
    assert newest is not None
    seen = list(newest.windows)
    page = newest
    while page.older is not None:
        older = shown_windows(connection, first, None, span, page.older)
        assert older is not None
        assert older.newer is not None
        seen = [window for window in older.windows if window not in seen] + seen
        page = older
    assert len(set(seen)) == len(seen)
    starts = [window.begins for window in seen]
    assert starts == sorted(starts)
    assert starts[0].date() <= date(2013, 4, 1) <= starts[0].date() + timedelta(days=31)


def test_a_day_out_of_reach_shows_the_nearest_windows(connection: Connection, first: KnownBundle) -> None:
    for until in (date(1900, 1, 1), date(2999, 12, 31)):
        found = shown_windows(connection, first, None, Span.DAY, until)
        assert found is not None
        assert date(2013, 4, 1) <= found.until <= date(2013, 7, 31)


def test_odd_devices_stand_beside_the_drift(connection: Connection) -> None:
    second = next(one for one in of_model(connection, MODEL) if one.version == SECOND)
    odd = drift.view(connection, second, Span.DAY, None, None).odd
    assert [(alarm.matter.device, alarm.matter.subject) for alarm in odd] == [(name_of(ODD), "temp")]


# Outcomes


def test_outcomes_stand_beside_the_drift_with_intervals(connection: Connection, first: KnownBundle) -> None:
    found = drift.view(connection, first, Span.MONTH, None, None).outcomes
    assert found is not None
    lines = {line.metric: line for line in found.lines}
    assert set(lines) == {"accuracy", "roc_auc"}
    known = [one for one in lines["accuracy"].standings if one]
    assert all(one.low <= one.value <= one.high for one in known)
    assert sum(one.rows for one in known) == found.labels > 10_000


def test_an_estimate_stands_only_where_no_label_came(connection: Connection) -> None:
    second = next(one for one in of_model(connection, MODEL) if one.version == SECOND)
    found = drift.view(connection, second, Span.DAY, None, None).outcomes
    assert found is not None
    line = next(line for line in found.lines if line.metric == "accuracy")
    both = [one for one in zip(line.standings, line.estimates, strict=True) if all(one)]
    assert both == []
    assert any(line.estimates)
    late = [window.start for window, one in zip(found.windows, line.estimates, strict=True) if one]
    assert min(late) >= "2013-06"
    assert max(late) == "2013-07-31"


def test_the_operations_desk_gives_no_labels(connection: Connection, first: KnownBundle) -> None:
    found = drift.view(connection, first, Span.MONTH, "operations", None).outcomes
    assert found is not None  # its estimate
    assert found.labels == 0


# One input


def test_the_histogram_of_an_input_is_that_of_its_window(connection: Connection, first: KnownBundle) -> None:
    found = feature.view(connection, first, "temp", Span.MONTH, None, None)
    assert found is not None
    (counts,) = (one for window, one in series(connection, first, None, Span.MONTH) if window.start == found.at)
    live = counts.features["temp"]
    assert [now for _, _, now in found.slots] == pytest.approx((live / live.sum()).tolist())
    assert sum(before for _, before, _ in found.slots) == pytest.approx(1)


def test_a_window_can_be_chosen(connection: Connection, first: KnownBundle) -> None:
    found = feature.view(connection, first, "temp", Span.DAY, None, None, "2013-06-03")
    assert found is not None
    assert found.at == "2013-06-03"
    assert found.finding is not None
    other = feature.view(connection, first, "temp", Span.DAY, None, None, "2013-02-30' --")
    assert other is not None
    assert other.at.startswith("2013-0")


def test_an_input_is_compared_by_version_and_by_group(connection: Connection, first: KnownBundle) -> None:
    found = feature.view(connection, first, "temp", Span.WEEK, None, None)
    assert found is not None
    assert [line.name for line in found.by_version] == [SECOND, FIRST]
    assert {line.name for line in found.by_group} == set(GROUPS)
    judged = [one.debiased if one and one.judgement is not Judgement.INSUFFICIENT else None for one in found.findings]
    ours = dict(zip((line.name for line in found.by_version), found.by_version, strict=True))[FIRST].debiased
    assert [value for value in ours if value is not None] == pytest.approx([v for v in judged if v is not None])


def test_breaches_are_counted_by_rule(connection: Connection, first: KnownBundle) -> None:
    found = feature.view(connection, first, "temp", Span.MONTH, None, None)
    assert found is not None
    (above,) = found.breaches
    total = sum(one.breaches["temp"]["above range"] for _, one in series(connection, first, None, Span.MONTH)
                if "above range" in one.breaches.get("temp", {}))  # fmt: skip
    assert (above.rule, above.total) == ("above range", total)


def test_an_output_has_a_page_too_and_a_stranger_has_none(connection: Connection, first: KnownBundle) -> None:
    found = feature.view(connection, first, "(score)", Span.MONTH, None, None)
    assert found is not None
    assert (found.subject.feature, found.breaches) == (None, ())
    assert feature.view(connection, first, "no such input", Span.MONTH, None, None) is None


# A model, a device, the alarms


def test_a_model_shows_its_gates_inputs_and_channels(connection: Connection) -> None:
    second, former = of_model(connection, MODEL)
    found = model.view(connection, second, CHANNELS)
    assert found.counted("passed") + found.counted("not judged") == len(second.validation.gates)
    assert [gate.outcome.value for gate in found.gates[0][1]] == ["not judged", "passed"]
    assert {line.name for line in found.inputs} == {one.counted for one in second.manifest.features}
    assert [(offer.channel, offer.is_newest, offer.release is not None) for offer in found.offers] == [
        ("stable", True, True)
    ]
    assert [offer.is_newest for offer in model.view(connection, former, CHANNELS).offers] == [False]
    assert found.devices == connection.scalar(select(func.count()).where(states.c.digest == DIGESTS[SECOND]))
    assert not found.card.startswith("---")


def test_a_card_is_shown_but_its_html_stays_text() -> None:
    found = card.rendered(
        "# T\n\n<script>x</script> [a](javascript:alert(1)) ![p](http://x/p.png)\n\n| a |\n| - |\n| b |"
    )
    assert "<h3>T</h3>" in found
    assert "p</p>" in found
    assert "<td>b</td>" in found
    assert "<script" not in found
    assert "<a" not in found
    assert "<img" not in found


def test_the_links_of_a_card_lead_to_pages_and_people_alone() -> None:
    for place in ("ftp://x/y", "tel:1", "//evil.test", "/alarms", "vbscript:x", "data:text/html,x", "https:///x"):
        assert "<a" not in card.rendered(f"[a]({place})")
    for place in ("https://example.org/x", "HTTP://example.org", "mailto:a@example.org"):
        assert f'<a href="{place}">a</a>' in card.rendered(f"[a]({place})")


def test_a_device_shows_what_it_has_and_what_happened(connection: Connection) -> None:
    found = device.view(connection, name_of(ROLLED), CHANNELS, NOW)
    assert found is not None
    (one,) = found.models
    assert [event.kind for event in one.state.events] == ["installed", "installed", "rolled back"]
    assert one.standing.wanted == SECOND
    assert Trouble.ROLLED_BACK in found.troubles
    assert found.windows >= len(found.counted) > 0
    assert found.rows == sum(model.rows for model in found.models)


def test_a_device_shows_its_oddities(connection: Connection) -> None:
    found = device.view(connection, name_of(ODD), CHANNELS, NOW)
    assert found is not None
    assert {alarm.matter.kind for alarm in found.odd} == {Kind.DEVICE}


def test_a_name_that_no_device_has_shows_nothing(connection: Connection) -> None:
    for name in ("nobody-here", "", "x" * 5000, "a'; DROP TABLE devices", "\0"):
        assert device.view(connection, name, {}, NOW) is None


def test_alarms_are_open_quiet_or_over(sqlite: Database) -> None:
    row = {"model": MODEL, "version": FIRST, "kind": "drift", "subject": "a", "period": "2013-07", "words": "w"}
    with sqlite.begin() as connection:
        for place, more in enumerate([{}, {"snoozed": NOW + timedelta(days=1)}, {"snoozed": NOW - timedelta(days=1)},
                                      {"closed": NOW}]):  # fmt: skip
            opened = NOW - timedelta(days=place + 1)
            connection.execute(insert(alarm_table).values(**row, opened=opened, seen=NOW, **more))
        found = alarms.view(connection, "", NOW)
        assert (len(found.open), len(found.snoozed), len(found.closed)) == (2, 1, 1)
        assert alarms.view(connection, "another", NOW).open == ()


def test_a_depot_that_cannot_be_read_leaves_the_pages_as_they_were(tmp_path: Path) -> None:
    assert Published(None).channels() == {}
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "timestamp.json").write_text("{}")
    assert Published(tmp_path).channels() == {}


# Over HTTP

PAGES = ["/", "/?q=pc&state=behind&sort=seen&down=1&group=gates", "/?page=7&sort=nothing&state=nothing",
         f"/drift/{MODEL}/{FIRST}", f"/drift/{MODEL}/{FIRST}?by=month&group=+",
         f"/drift/{MODEL}/{SECOND}?by=week&until=x",
         f"/drift/{MODEL}/{FIRST}/temp", f"/drift/{MODEL}/{FIRST}/origin?by=week&group=gates",
         f"/drift/{MODEL}/{FIRST}/(score)?by=month&window=2013-06", f"/model/{MODEL}/{SECOND}", "/alarms",
         f"/alarms?model={MODEL}", f"/devices/{name_of(ODD)}", f"/devices/{name_of(BLOCKED)}"]  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_page_is_whole_and_safe_in_each_language(shown: Database, language: str) -> None:
    with looked_at(shown) as client:
        for page in PAGES:
            answer = client.get(page + ("&" if "?" in page else "?") + f"lang={language}")
            assert answer.status_code == 200, page
            found = Reader(answer.text)
            assert found.values("html", "lang") == [language]
            assert (found.tags.count("h1"), found.tags.count("main"), found.tags.count("script")) == (1, 1, 1), page
            assert "style" not in found.tags
            assert not [name for _, name, _ in found.attributes if name.startswith("on") or name == "style"], page
            places = [*found.values("a", "href"), *found.values("link", "href"), *found.values("script", "src")]
            assert [place for place in places if not place.startswith(("/", "?", "#"))] == [], page
            assert "%(" not in answer.text
            ids = [value for _, name, value in found.attributes if name == "id"]
            assert len(set(ids)) == len(ids), page
            assert [tag for tag, name, _ in found.attributes if name == "scope" and tag != "th"] == []
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_language_that_was_chosen_is_kept(shown: Database) -> None:
    with looked_at(shown) as client:
        assert "端末一覧" in client.get("/alarms?lang=ja").text
        assert "端末一覧" in client.get("/alarms").text
        assert "Fleet" in client.get("/alarms?lang=en").text


def test_below_a_path_every_address_stays_below_it(shown: Database) -> None:
    with looked_at(shown, root_path="/hub") as client:
        answer = client.get("/hub/alarms")
        found = Reader(answer.text)
        places = [*found.values("a", "href"), *found.values("form", "action"), *found.values("script", "src")]
        assert [place for place in places if not place.startswith(("/hub/", "?", "#"))] == []
        style = found.values("link", "href")[1]
        assert client.get(style).status_code == 200


def test_names_that_hold_html_stay_text(sqlite: Database) -> None:
    state = ModelState(MODEL, held_back=(HeldBack("9.0.0", "a" * 64, EVIL[:200], NOW.isoformat()),), trouble=EVIL[:200])
    with sqlite.begin() as connection:
        add_device(connection, "device-one", EVIL[:60], "1.0.0", encode(state))
        connection.execute(update(devices).values(blocked=EVIL, runtime=EVIL, platform=EVIL))
        row = {
            "model": MODEL,
            "version": FIRST,
            "kind": "device",
            "subject": EVIL,
            "device": "device-one",
            "words": EVIL,
        }
        connection.execute(insert(alarm_table).values(**row, period="2013-07", opened=NOW, seen=NOW))
    with looked_at(sqlite) as client:
        for page in ("/", "/devices/device-one", "/alarms", f"/devices/{EVIL[:40]}", f"/drift/{EVIL}", f"/?q={EVIL}"):
            found = Reader(client.get(page).text)
            assert found.tags.count("script") <= 1
            assert "img" not in found.tags
            assert not [name for _, name, _ in found.attributes if name.startswith("on")]


@pytest.mark.parametrize(
    "page",
    ["/devices/nobody-here", f"/drift/{MODEL}/9.9.9", "/drift/none", f"/drift/{MODEL}/{FIRST}/none", "/model/none",
     "/assets/none.css", f"/model/{MODEL}/x"],
)  # fmt: skip
def test_what_is_not_there_is_said_in_words(shown: Database, page: str) -> None:
    with looked_at(shown) as client:
        answer = client.get(page)
        assert answer.status_code == 404
        assert "Not found" in Reader(answer.text).text
        assert "見つかりません" in client.get(f"{page}?lang=ja").text


def test_a_hub_with_no_model_says_how_to_add_one(sqlite: Database) -> None:
    with looked_at(sqlite) as client:
        for page in ("/drift", "/model"):
            answer = client.get(page)
            assert answer.status_code == 404
            assert "hakobu hub add BUNDLE" in answer.text
        assert "hakobu hub invite" in client.get("/").text


def test_a_model_without_a_version_leads_to_the_newest_that_was_used(shown: Database) -> None:
    with looked_at(shown) as client:
        for page in ("/drift", f"/drift/{MODEL}"):
            assert client.get(f"{page}?by=week").headers["location"] == f"/drift/{MODEL}/{SECOND}?by=week"
        assert client.get("/model").headers["location"] == f"/model/{MODEL}/{SECOND}"


@pytest.mark.parametrize("query", ["page=0", "page=-4", "page=99999999999999", "q=%00", "group=%ff", "sort=';--"])
def test_a_query_that_makes_no_sense_still_shows_the_fleet(shown: Database, query: str) -> None:
    with looked_at(shown) as client:
        assert client.get(f"/?{query}").status_code == 200


# Changes

FORMS: list[tuple[str, dict[str, str], Callable[[Connection], object], object]] = [
    ("/devices/device-one/block", {"why": "sold"},
     lambda c: c.scalar(select(devices.c.blocked)), "sold"),
    ("/devices/device-one/unblock", {}, lambda c: c.scalar(select(devices.c.blocked)), ""),
    ("/devices/device-one/group", {"group": "plant 7"}, lambda c: c.scalar(select(devices.c.group_name)), "plant 7"),
    ("/alarms/1/snooze", {"days": "30"}, lambda c: c.scalar(select(alarm_table.c.snoozed)), NOW + timedelta(days=30)),
    ("/alarms/1/close", {}, lambda c: c.scalar(select(alarm_table.c.closed)), NOW),
]  # fmt: skip


@pytest.fixture
def small(sqlite: Database) -> Database:
    """A device and an alarm."""
    with sqlite.begin() as connection:
        add_device(connection, "device-one", version="1.0.0")
        row = {"model": MODEL, "version": FIRST, "kind": "drift", "subject": "a", "period": "2013-07", "words": "w"}
        connection.execute(insert(alarm_table).values(**row, opened=NOW, seen=NOW))
    return sqlite


@pytest.mark.parametrize(("form", "values", "look", "after"), FORMS, ids=[form[0] for form in FORMS])
def test_an_operator_changes_things_by_forms(
    small: Database, form: str, values: dict[str, str], look: Callable[[Connection], object], after: object
) -> None:
    with looked_at(small) as client:
        answer = client.send(form, values)
        assert answer.status_code == 303
        assert client.get(answer.headers["location"]).status_code == 200
    with small.read() as connection:
        assert look(connection) == after


def test_a_form_without_its_csrf_changes_nothing(small: Database) -> None:
    with looked_at(small) as client:
        for form, *_ in FORMS:
            for csrf in ("", "guessed"):
                answer = client.send(form, {"why": "x", "group": "x", "days": "1"}, csrf)
                assert answer.status_code == 403
                assert "no longer valid" in Reader(answer.text).text
    with small.read() as connection:
        assert connection.scalar(select(devices.c.blocked)) == connection.scalar(select(devices.c.group_name)) == ""
        assert connection.execute(select(alarm_table.c.snoozed, alarm_table.c.closed)).one() == (None, None)


def test_a_viewer_sees_no_forms_and_may_send_none(small: Database) -> None:
    with looked_at(small, VIEWER) as client:
        for page in ("/devices/device-one", "/alarms"):
            found = Reader(client.get(page).text)
            assert [action for action in found.values("form", "action") if "logout" not in action] == []
        for form, *_ in FORMS:
            answer = client.send(form, {"why": "x"})
            assert answer.status_code == 403
            assert "ask an operator" in Reader(answer.text).text


def test_what_cannot_be_done_is_said_in_words(small: Database) -> None:
    wrong = [
        ("/devices/device-one/block", {"why": " "}, 409),
        ("/devices/device-one/group", {"group": "a\nb"}, 409),
        ("/devices/nobody-here/block", {"why": "x"}, 409),
        ("/alarms/99/close", {}, 409),
        (f"/alarms/{2**70}/close", {}, 422),
    ]
    with looked_at(small) as client:
        for form, values, status in wrong:
            answer = client.send(form, values)
            assert answer.status_code == status, form
            assert "Not done" in Reader(answer.text).text


def test_a_database_that_is_away_is_said_in_words(small: Database) -> None:
    with looked_at(small) as client:
        with small.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE states RENAME TO gone")
        answer = client.get("/")
        with small.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO states")
    assert answer.status_code == 503
    assert "cannot answer" in Reader(answer.text).text
    assert "states" not in answer.text


def test_a_fault_of_the_hub_is_said_in_words(small: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "view", lambda *_: 1 / 0)
    with looked_at(small) as client:
        answer = client.get("/alarms")
    assert answer.status_code == 500
    assert "a fault of the hub" in Reader(answer.text).text
    assert "ZeroDivisionError" not in answer.text


def test_outcomes_add_up_to_what_merging_them_gives(connection: Connection, first: KnownBundle) -> None:
    for group in (None, "gates"):
        query = select(outcome_table.c.content).join(devices, devices.c.id == outcome_table.c.device_id)
        query = query.where(outcome_table.c.bundle_id == first.id)
        contents_ = connection.scalars(query if group is None else query.where(devices.c.group_name == group))
        merged = outcome_totals(decode(content, Outcome, "an outcome") for content in contents_)
        found = together(by_group(connection, first, None if group is None else (group,)))
        assert found == {window: counts for (_, window), counts in merged.items()} != {}


def test_every_page_is_the_same_on_either_database(database: Database) -> None:
    machine = machines(12)[0]
    manifest, gates, notes = contents(FIRST)
    row = {"digest": DIGESTS[FIRST], "model": MODEL, "version": FIRST, "added": NOW, "manifest": manifest}
    with database.begin() as connection:
        connection.execute(insert(bundle_table).values(**row, validation=gates, card=notes))
        enrol(connection, machine.name, machine.key.public.pem.decode(), "gates", NOW)
        for place in range(3):
            add_device(connection, f"device-{place:03d}", version="1.10.0")
    sent = [(made, parcel) for one, made, parcel in parcels(12, 2) if one is machine][:3]
    for made, parcel in sent:
        take(database, pack_parcel(parcel, machine.key), "here", made)
    pages = [*(page.replace(SECOND, FIRST).replace(name_of(ODD), machine.name) for page in PAGES[:-1]),
             "/?q=%00%25_'", "/?sort=version&down=1&state=silent", "/?group=%00"]  # fmt: skip
    with looked_at(database) as client:
        for page in pages:
            assert client.get(page).status_code == 200, page
        assert "1.10.0" in client.get("/?sort=version&down=1").text
        assert client.send(f"/devices/{machine.name}/group", {"group": "plant"}).status_code == 303
        assert machine.name in client.get("/?group=plant").text
