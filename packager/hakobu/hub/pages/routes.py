"""The addresses of the pages: each reads what was asked for, calls one view, and shows it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from pydantic import AfterValidator
from sqlalchemy import Connection, select
from starlette.responses import RedirectResponse

from hakobu.hub import alarms as known_alarms
from hakobu.hub import devices as known_devices
from hakobu.hub.bundles import KnownBundle, models, of_model
from hakobu.hub.pages import alarms, card, device, device_table, drift, feature, fleet, model
from hakobu.hub.pages.charts.adoption import adoption_figure
from hakobu.hub.pages.charts.figures import feature_figures
from hakobu.hub.pages.charts.outcomes import outcome_figures
from hakobu.hub.pages.device_table import SORTS, Asked
from hakobu.hub.pages.page import NO_GROUP, address, asset, problem, show, words_of
from hakobu.hub.pages.published import Published
from hakobu.hub.pages.standings import Trouble
from hakobu.hub.pages.subjects import day_of
from hakobu.hub.sentences import spoken
from hakobu.hub.sessions import Session
from hakobu.hub.tables import totals
from hakobu.hub.web.login import current, operator
from hakobu.hub.web.settings import Settings
from hakobu_runtime.errors import StateError, UsageError
from hakobu_runtime.format.manifest import NAME
from hakobu_runtime.format.window import Span

Viewer = Annotated[Session, Depends(current)]
Operator = Annotated[Session, Depends(operator)]

_BY = {"day": Span.DAY, "week": Span.WEEK, "month": Span.MONTH}
_LONGEST = 500
"""Letters of anything in an address."""


def _printable(text: str) -> str:
    """Return `text` without what no name holds, and no database takes, like a nul."""
    return "".join(letter for letter in text if letter.isprintable())


Text = Annotated[str, Query(max_length=_LONGEST), AfterValidator(_printable)]
Number = Annotated[int, Path(ge=1, le=2**53)]


def _group(group: Text = "") -> str | None:
    """Return the group that was asked for: None for all, "" for the devices in none."""
    return None if not group else "" if group == NO_GROUP else group


Group = Annotated[str | None, Depends(_group)]
_SNOOZES = {"1": timedelta(days=1), "7": timedelta(days=7), "30": timedelta(days=30)}


def router(settings: Settings) -> APIRouter:
    """Return the pages of a hub."""
    pages = APIRouter(include_in_schema=False)
    published = Published(settings.depot)
    _add_fleet(pages, settings, published)
    _add_device_forms(pages, settings)
    _add_drift(pages, settings)
    _add_model(pages, settings, published)
    _add_alarms(pages, settings)

    @pages.get("/assets/{name}")
    def assets(request: Request, name: str) -> Response:
        return asset(name) or problem(request, 404, *_NOT_FOUND)

    return pages


_NOT_FOUND = (spoken("Not found"), spoken("There is no such page here."))


def _add_fleet(pages: APIRouter, settings: Settings, published: Published) -> None:
    @pages.get("/")
    def fleet_page(
        request: Request,
        session: Viewer,
        group: Group,
        q: Text = "",
        model: Text = "",
        version: Text = "",
        state: Text = "",
        sort: Text = "name",
        down: Text = "",
        page: int = 1,
    ) -> Response:
        now, words = settings.clock(), words_of(request)
        trouble = Trouble(state) if state in {one.value for one in Trouble} else None
        asked = Asked(
            q.strip(), model, version, group, trouble, sort if sort in SORTS else "name", down == "1", min(page, 10**6)
        )
        with settings.database.read() as connection:
            view = fleet.view(connection, published.channels(), now)
            table = device_table.view(connection, asked, view.ids, now)
        charts = {one.model: adoption_figure(one.adoption, words) for one in view.models if one.adoption}
        return show(request, "fleet", session, view=view, table=table, now=now, charts=charts, troubles=tuple(Trouble))

    @pages.get("/devices/{name}")
    def device_page(request: Request, session: Viewer, name: str) -> Response:
        now = settings.clock()
        with settings.database.read() as connection:
            view = device.view(connection, name, published.channels(), now)
        if view is None:
            return problem(request, 404, spoken("Not found"), spoken("No device of this name is enrolled."), session)
        return show(request, "device", session, view=view, now=now)


def _add_device_forms(pages: APIRouter, settings: Settings) -> None:
    @pages.post("/devices/{name}/block")
    def block(request: Request, session: Operator, name: str, why: Annotated[str, Form()] = "") -> Response:
        return _changed(
            request, session, lambda connection: known_devices.block(connection, name, why), "devices", name
        )

    @pages.post("/devices/{name}/unblock")
    def unblock(request: Request, session: Operator, name: str) -> Response:
        return _changed(request, session, lambda connection: known_devices.unblock(connection, name), "devices", name)

    @pages.post("/devices/{name}/group")
    def group(request: Request, session: Operator, name: str, group: Annotated[str, Form()] = "") -> Response:
        return _changed(
            request, session, lambda connection: known_devices.set_group(connection, name, group), "devices", name
        )

    def _changed(request: Request, session: Session, change: Callable[[Connection], object], *back: str) -> Response:
        return _done(request, session, settings, change, *back)


def _add_drift(pages: APIRouter, settings: Settings) -> None:
    @pages.get("/drift")
    @pages.get("/drift/{model}")
    @pages.get("/drift/{model}/{version}")
    def drift_page(
        request: Request,
        session: Viewer,
        group: Group,
        model: str = "",
        version: str = "",
        by: Text = "day",
        until: Text = "",
    ) -> Response:
        words = words_of(request)
        with settings.database.read() as connection:
            bundle = _bundle(connection, model, version)
            if bundle is None:
                return _no_model(request, session, model)
            if not version:
                return _to(request, "drift", bundle.model, bundle.version)
            view = drift.view(connection, bundle, _BY.get(by, Span.DAY), group, day_of(until))
        charts = outcome_figures(view.outcomes, words) if view.outcomes else ()
        return show(request, "drift", session, view=view, charts=charts, most=drift.MOST_WORST)

    @pages.get("/drift/{model}/{version}/{name:path}")
    def feature_page(
        request: Request,
        session: Viewer,
        model: str,
        version: str,
        name: str,
        group: Group,
        by: Text = "day",
        until: Text = "",
        window: Text = "",
    ) -> Response:
        words = words_of(request)
        with settings.database.read() as connection:
            bundle = _bundle(connection, model, version)
            if bundle is None:
                return _no_model(request, session, model)
            span = _BY.get(by, Span.DAY)
            view = feature.view(connection, bundle, name, span, group, day_of(until), window)
        if view is None:
            sentence = spoken("This version has no input of this name, or nothing was counted of it yet.")
            return problem(request, 404, spoken("Not found"), sentence, session)
        return show(request, "feature", session, view=view, charts=feature_figures(view, words))


def _add_model(pages: APIRouter, settings: Settings, published: Published) -> None:
    @pages.get("/model")
    @pages.get("/model/{name}")
    @pages.get("/model/{name}/{version}")
    def model_page(request: Request, session: Viewer, name: str = "", version: str = "") -> Response:
        with settings.database.read() as connection:
            bundle = _bundle(connection, name, version)
            if bundle is None:
                return _no_model(request, session, name)
            if not version:
                return _to(request, "model", bundle.model, bundle.version)
            view = model.view(connection, bundle, published.channels())
            every = models(connection)
        return show(request, "model", session, view=view, models=every, card=card.rendered(view.card))


def _add_alarms(pages: APIRouter, settings: Settings) -> None:
    @pages.get("/alarms")
    def alarms_page(request: Request, session: Viewer, model: Text = "") -> Response:
        now = settings.clock()
        with settings.database.read() as connection:
            view = alarms.view(connection, model, now)
        return show(request, "alarms", session, view=view, now=now, snoozes=tuple(map(int, _SNOOZES)))

    @pages.post("/alarms/{number}/snooze")
    def snooze(request: Request, session: Operator, number: Number, days: Annotated[str, Form()] = "7") -> Response:
        until = settings.clock() + _SNOOZES.get(days, _SNOOZES["7"])
        return _done(
            request, session, settings, lambda connection: known_alarms.snooze(connection, number, until), "alarms"
        )

    @pages.post("/alarms/{number}/close")
    def close(request: Request, session: Operator, number: Number) -> Response:
        now = settings.clock()
        return _done(
            request, session, settings, lambda connection: known_alarms.close(connection, number, now), "alarms"
        )


def _done(
    request: Request, session: Session, settings: Settings, change: Callable[[Connection], object], *back: str
) -> Response:
    """Make a change, and go back to the page that shows it; say in words why it cannot be made."""
    try:
        with settings.database.begin() as connection:
            change(connection)
    except (StateError, UsageError) as error:
        return problem(request, 409, spoken("Not done"), str(error), session)
    return _to(request, *back)


def _to(request: Request, *parts: str) -> Response:
    """Lead on to another page of ours, with the same query."""
    root = str(request.scope.get("root_path", ""))
    query = dict(request.query_params) if request.method == "GET" else {}
    return RedirectResponse(address(root, *parts, **query), 303)


def _bundle(connection: Connection, model: str, version: str) -> KnownBundle | None:
    """Return a version of a model; the newest that counts came of where none is named, None where there is none."""
    if not model:
        every = models(connection)
        model = every[0] if every else ""
    found = of_model(connection, model) if NAME.fullmatch(model) else ()
    if version:
        return next((one for one in found if one.version == version), None)
    used = set(connection.scalars(select(totals.c.bundle_id).distinct()))
    return next((one for one in found if one.id in used), found[0] if found else None)


def _no_model(request: Request, session: Session, model: str) -> Response:
    if not model:
        sentence = spoken("No model is known yet. Add one with: hakobu hub add BUNDLE")
        return problem(request, 404, spoken("No model yet"), sentence, session)
    return problem(
        request, 404, spoken("Not found"), spoken("This model, or this version of it, is not known here."), session
    )
