"""The simulated fleet keeps every rule, its witnesses on real files end the same, and a broken rule is noticed."""

import sys
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import updates
import updates_files
import updates_merge
from hakobu_runtime.channel.decide import Decision, Held, decide
from hakobu_runtime.device import arrival, barred, ledger
from hakobu_runtime.device import sync as syncing
from hakobu_runtime.format.channel import Channel
from updates_files import live_again
from updates_report import report
from updates_trust import Beliefs
from updates_world import Plan, World

WITNESSES = 6


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Four months of 120 devices, of which some keep a diary."""
    with updates.in_memory() as folder:
        found = World(Plan(120, 120, seed=3), Path(folder), witnesses=WITNESSES)
        found.run()
        yield found


def test_no_rule_is_broken(world: World) -> None:
    assert world.proof.violations == []
    assert all(world.proof.judged.values())
    assert len(world.proof.judged) >= 11, "every rule was looked at"


def test_much_happens_that_could_break_them(world: World) -> None:
    assert world.told["looks that broke off"] > 10
    assert world.told["looks not believed"] > 10
    assert world.home.told["parcels doubled"] > 10
    assert world.home.told["parcels lost"] > 0
    assert world.proof.had_bad
    assert world.operator.stopped is not None
    assert {life.wrong for life in (device.life for device in world.devices.values())} == {0, 2000, 2100}


@pytest.mark.usefixtures("world")
def test_no_module_keeps_the_ledger_in_memory() -> None:
    found = [module for name, module in sys.modules.items() if name.startswith("hakobu_runtime.device.")]
    opening = {one for module in found for name in ("reading", "changing") if (one := vars(module).get(name))}
    assert opening == {ledger.reading, ledger.changing}, "one that is imported while the doors are open would"


def test_most_devices_end_with_the_newest_release(world: World) -> None:
    assert world.share("1.5.0")[-1] > 0.4
    assert world.share("1.4.0")[-1] < world.share("1.4.0").max() / 2


def test_the_same_seed_gives_the_same_year(in_memory: Path) -> None:
    first, second = (World(Plan(10, 30, seed=5), in_memory / name) for name in "ab")
    for one in (first, second):
        one.run()
    assert (first.adoption, first.told, first.home.rows.keys()) == (
        second.adoption,
        second.told,
        second.home.rows.keys(),
    )
    assert first.operator.marks == second.operator.marks


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_rule_is_broken_whatever_the_seed(seed: int) -> None:
    with updates.in_memory() as folder:
        world = World(Plan(25, 60, seed), Path(folder))
        world.run()
    assert world.proof.violations == []


@pytest.mark.parametrize("number", range(WITNESSES))
def test_a_witness_on_real_files_ends_the_same(world: World, number: int, in_memory: Path) -> None:
    assert live_again(world, number, in_memory / "state") == []


def test_a_witness_that_ends_otherwise_is_noticed(world: World, in_memory: Path) -> None:
    diary = world.diary[0]
    changed = diary[-1]._replace(standing=diary[-1].standing._replace(floor="2099-01-01 00:00:00+00:00"))
    with patch.dict(world.diary, {0: [*diary[:-1], changed]}):
        (words,) = live_again(world, 0, in_memory / "state")
    assert f"device 0, day {changed.day}" in words
    with patch.object(updates_files, "_content", lambda tally: object()):
        (words,) = live_again(world, 0, in_memory / "other")
    assert "its journal differs" in words


def deciding(**changed: object) -> AbstractContextManager[object]:
    """Decide by a channel in which something is not heeded, or with no memory of what failed."""

    def broken(channel: Channel, device: str, runtime: str, active: Held | None, failed: Collection[str]) -> Decision:
        for name, value in changed.items():
            if name == "failed":
                failed = ()
            elif name == "rollout":
                every = tuple(msgspec.structs.replace(release, rollout=100) for release in channel.releases)
                channel = msgspec.structs.replace(channel, releases=every)
            else:
                channel = msgspec.structs.replace(channel, **{name: value})
        return decide(channel, device, runtime, active, failed)

    return patch.object(syncing, "decide", broken)


def forgetting_what_is_known() -> AbstractContextManager[object]:
    answer = Beliefs.answer
    return patch.object(Beliefs, "answer", lambda self, known, copy, latest: answer(self, 0, copy, latest))


BROKEN: dict[str, list[AbstractContextManager[object]]] = {
    "a release keeps to its share": [deciding(rollout=True)],
    "what failed is not tried again": [deciding(failed=True)],
    "nothing revoked is used once heard of": [
        deciding(revoked=()),
        patch.object(barred, "learn", lambda ledger, channel: None),
    ],
    "never without a model": [patch.object(arrival, "place", lambda state, digest, content: None)],
    "what fails its golden rows never runs": [patch.object(arrival.Arrival, "_try", lambda self, bundle: None)],
    "no older state after a newer one": [forgetting_what_is_known()],
    "every row is counted once": [patch.object(updates_merge, "merge", tuple)],
}


@pytest.mark.parametrize("rule", sorted(BROKEN))
def test_the_proof_notices_a_broken_rule(rule: str, in_memory: Path) -> None:
    world = World(Plan(60, 90, seed=3), in_memory)
    with ExitStack() as stack:
        for change in BROKEN[rule]:
            stack.enter_context(change)
        world.run()
    assert world.proof.broken[rule] > 0
    assert any(words.startswith(rule) for words in world.proof.violations)


def test_the_report_tells_the_year(world: World) -> None:
    text = report(world)
    assert "120 devices, 120 days, seed 3" in text
    assert "1.4.0 was revoked" in text
    assert "every row is counted once" in text


def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "adoption.png"
    asked = ["--devices", "15", "--days", "40", "--witnesses", "1", "--plot", str(picture)]
    assert updates.main(asked) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    out, err = capsys.readouterr()
    assert "a witness on real files ends the same" in out
    assert "day 30 of 40" in err


def test_a_broken_rule_ends_the_command_with_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(updates_merge, "merge", tuple):
        assert updates.main(["--devices", "10", "--days", "30", "--witnesses", "0"]) == 3
    assert "rows came home, " in capsys.readouterr().out
