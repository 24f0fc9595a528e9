"""`hakobu-run follow`, `sync` and `rollback`: how a device keeps its models current."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hakobu_runtime.console.enrolling import tell_enrolment
from hakobu_runtime.console.shell import own_name, show_json, show_json_line, warn
from hakobu_runtime.console.table import table
from hakobu_runtime.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:  # sync imports what fetches and verifies, which no other command needs
    from hakobu_runtime.device.state import State
    from hakobu_runtime.device.visit import Visited

_MODEL = click.option("--model", help="The model, when several are there.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
_STEPS = 1000
"""Into how many steps the bar of a download is cut."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Span(click.ParamType[float]):
    """A span of time like 90s, 30m, 6h or 1d, in seconds."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if found is None or not 60 <= (seconds := int(found[1]) * _SECONDS[found[2]]) <= 30 * 86_400:
            self.fail(f"{value!r} is no span of time: write 30m, 6h or 1d; a minute at least, 30 days at most")
        return float(seconds)


@click.command("follow")
@click.argument("wanted", required=False, metavar="[FILE.follow | CHANNEL]")
@click.option("--invite", metavar="CODE", help="Enrol at the hub that FILE.follow names, as 'enrol CODE' does.")
@_MODEL
@_JSON
@click.pass_obj
def follow_command(
    folder: Path | None, wanted: str | None, invite: str | None, model: str | None, *, as_json: bool
) -> None:
    """Follow what FILE.follow says from now on, or another CHANNEL of the same depot; with neither, show what is."""
    from hakobu_runtime.device import follow
    from hakobu_runtime.device.state import open_state
    from hakobu_runtime.format.follow import ENDING

    state = open_state(folder)
    if invite is not None and (wanted is None or not _is_file(wanted, ENDING)):
        raise UsageError(f"--invite goes with FILE{ENDING}; for what is followed already: hakobu-run enrol CODE")
    if wanted is None:
        found = follow.followed(state)
    elif _is_file(wanted, ENDING):
        found = (follow.open_follow(Path(wanted), model),)
        if invite is not None and not found[0].hub:
            raise UsageError(f"{wanted}: names no hub to enrol at; follow it, and: hakobu-run enrol CODE --hub URL")
        follow.take_follow(state, found[0])
    else:
        found = (follow.change_channel(state, wanted, model),)
    if as_json:
        plain = [{"model": one.model, "channel": one.channel, "depot": one.depot, "hub": one.hub} for one in found]
        show_json("hakobu.follow-list/1", follows=plain)
    elif not found:
        click.echo(own_name("nothing is followed yet; take a channel with 'hakobu-run follow FILE.follow'"))
    elif wanted is None:
        rows = [[one.model, one.channel, one.depot or "sticks alone", one.hub or "none"] for one in found]
        click.echo(table(["model", "channel", "depot", "hub"], rows))
    else:
        one = found[0]
        look = "look now with 'hakobu-run sync'" if one.depot else "bring it with 'hakobu-run sync --from FOLDER'"
        click.echo(own_name(f"following: {one.model} {one.channel}, from {one.depot or 'sticks alone'}; {look}"))
        if not follow.trusted(state, one.model):
            warn(f"no key is trusted for {one.model} yet: pin its builder's with 'hakobu-run trust add KEY.pub'")
    if invite is not None:
        tell_enrolment(state, invite, found[0].hub, as_json=as_json)


def _is_file(wanted: str, ending: str) -> bool:
    return wanted.endswith(ending) or Path(wanted).exists()


@click.command("sync")
@click.option(
    "--from", "source", metavar="FOLDER", help="Look at this stick, or depot, instead of the one that is followed."
)
@click.option("--every", type=Span(), help="Go on, and look every so often: 30m, 6h, 1d.")
@click.option("--again", is_flag=True, help="Try what failed here, and is held back, once more.")
@click.option("--rate", type=click.IntRange(1), metavar="KB", help="Fetch at most so many kilobytes a second.")
@_MODEL
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a model, each on a line.")
@click.pass_obj
def sync_command(folder: Path | None, /, *, every: float | None, as_json: bool, **asked: Any) -> int:
    """Bring the models up to date by what they follow, and send the counts to the hub that is named there.

    Exit code 7: a depot or a hub cannot be reached; 5: the hub refused something. Scoring goes on. With --from a stick,
    the counts leave on that; see 'export'.
    """
    from hakobu_runtime.device.state import open_state

    if every is not None and asked["again"]:
        raise UsageError("--again is for one look: what fails once more would be tried for ever with --every")
    state = open_state(folder)

    def tell(found: "Visited") -> None:
        if as_json:
            show_json_line(found.schema, **found.plain())
        else:
            click.echo(own_name(found.said()))

    if every is None:
        _look(state, tell, lambda done, size: None, asked)
        return 0
    return _rounds(state, every, tell, asked)


def _look(
    state: "State",
    tell: Callable[["Visited"], None],
    advance: Callable[[int, int], None],
    asked: dict[str, Any],
) -> None:
    """Look at all depots once; draw a bar while something large comes."""
    from hakobu_runtime.console.progress import Progress
    from hakobu_runtime.device.arrival import Listener
    from hakobu_runtime.device.sync import Asked
    from hakobu_runtime.device.visit import visit

    bars: list[Progress] = []

    def came(done: int, size: int) -> None:
        advance(done, size)
        if not bars:
            bars.append(shown.enter_context(Progress("fetching", _STEPS)))
        bars[0].reach(_STEPS * done // max(size, 1))

    def aside(words: str) -> None:
        for bar in bars:
            bar.clear()
        warn(words)

    with ExitStack() as shown:
        for found in visit(state, datetime.now(UTC), Asked(**asked), Listener(aside, came)):
            shown.close()
            bars.clear()
            tell(found)


def _rounds(state: "State", every: float, tell: Callable[["Visited"], None], asked: dict[str, Any]) -> int:
    from random import SystemRandom

    from hakobu_runtime.device.rounds import keep_syncing
    from hakobu_runtime.device.stop import listening

    last: dict[str, Visited] = {}

    def news(found: "Visited") -> None:
        """Tell what is not as it was at the last look."""
        if last.get(found.about) != found:
            tell(found)
        last[found.about] = found

    with listening() as stop:
        keep_syncing(
            state, lambda: _look(state, news, lambda done, size: stop.check(), asked), every, warn, stop, SystemRandom()
        )
    return INTERRUPTED if stop.interrupted else 0


@click.command("rollback")
@_MODEL
@_JSON
@click.pass_obj
def rollback_command(folder: Path | None, model: str | None, *, as_json: bool) -> None:
    """Score with the former bundle again; the one that is left is held back until it is installed again by hand."""
    from hakobu_runtime.device.slots import choose, go_back
    from hakobu_runtime.device.state import open_state

    state = open_state(folder)
    name = choose(state, model, usable=False).model
    left, active = go_back(state, name, datetime.now(UTC), "rolled back by hand")
    if as_json:
        show_json("hakobu.rollback/1", model=name, active=active.version, left=left.version)
    else:
        click.echo(
            own_name(
                f"rolled back: {name} {active.version} is used again, in place of {left.version}, which is held back; "
                "to take it again: hakobu-run sync --again, or hakobu-run install FILE.hako --again"
            )
        )
