"""Where `hakobu drift --hub` takes counts and bundles from: the database of a hub."""

from pathlib import Path

from hakobu.cli.at_hub import Hub
from hakobu.cli.drift_sources import Asked
from hakobu.fleet.judging import Judged
from hakobu.hub.bundles import known, models
from hakobu.hub.periods import judge_bundle
from hakobu_runtime.errors import UsageError
from hakobu_runtime.format.manifest import precedence


def judge_hub(folder: Path | None, url: str | None, asked: Asked, group: str | None) -> tuple[str, tuple[Judged, ...]]:
    """Return where a hub is, and what came home to it, judged by bundle: of each model the newest version first.

    Bundles that nothing was counted with are left out. Raises UsageError when the hub does not know the model.
    """
    database = Hub(folder or Path("hub"), url).database()
    with database.read() as connection:
        there = models(connection)
        if asked.model is not None and asked.model not in there:
            raise UsageError(f"{database.name}: knows no model {asked.model!r}, but: {', '.join(there) or 'none'}")
        every = [one for one in known(connection).values() if asked.model in (None, one.model)]
        every.sort(key=lambda one: (precedence(one.version), one.id), reverse=True)
        every.sort(key=lambda one: one.model)
        found = [judge_bundle(connection, one, asked.span, asked.since, group) for one in every]
    return database.name, tuple(one for one in found if one.periods or one.results)
