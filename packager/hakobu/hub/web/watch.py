"""What other machines ask: whether the hub is well, and what it counts."""

from time import monotonic

from anyio import move_on_after, to_thread
from fastapi import APIRouter, Request, Response

from hakobu.hub.migrate import check
from hakobu.hub.web.address import is_local
from hakobu.hub.web.answers import HealthAnswer
from hakobu.hub.web.login import StrangerError, current
from hakobu.hub.web.state import Hub, Pulse, hub_of
from hakobu_runtime.errors import StateError
from hakobu_runtime.version import __version__

_PATIENCE = 5.0
"""Seconds for the database to answer."""
_FRESH = 2.0
"""Seconds for which an answer does, however many ask."""

router = APIRouter(tags=["operation"])


@router.get(
    "/health",
    summary="Say whether the hub is well",
    description="For load balancers and watchdogs. 200 while the database answers, 503 otherwise.",
    responses={503: {"model": HealthAnswer, "description": "The database is away, or not of this version."}},
    operation_id="health",
)
async def health(request: Request, response: Response) -> HealthAnswer:
    """Say whether the hub is well."""
    hub = hub_of(request)
    if monotonic() >= hub.pulse.until:
        hub.pulse = Pulse(hub.pulse.is_there, monotonic() + _PATIENCE)  # whoever asks meanwhile hears of the last look
        found = False
        with move_on_after(_PATIENCE):
            found = await to_thread.run_sync(_answers, hub, abandon_on_cancel=True)
        hub.pulse = Pulse(found, monotonic() + _FRESH)
    is_there = hub.pulse.is_there
    if not is_there:
        response.status_code = 503
    depot = None if hub.settings.depot is None else not hub.releases.trouble
    return HealthAnswer(status="ok" if is_there else "failing", version=__version__, database=is_there, depot=depot)


@router.get(
    "/metrics",
    response_class=Response,
    summary="What Prometheus scrapes",
    description="To this machine itself, to people who are logged in, and to everybody where the hub was started with "
    "`--open-metrics`.",
    responses={
        200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."},
        403: {"description": "It is for this machine alone."},
    },
    operation_id="metrics",
)
async def metrics(request: Request) -> Response:
    """Return the metrics."""
    hub = hub_of(request)
    if not (hub.settings.open_metrics or is_local(request)):
        try:
            await current(request)
        except StrangerError:
            words = "metrics are for this machine alone: start the hub with --open-metrics to show them to everybody"
            return Response(f"{words}\n", 403, media_type="text/plain")
    content = await to_thread.run_sync(hub.metrics.text)
    return Response(content, media_type=hub.metrics.content_type)


def _answers(hub: Hub) -> bool:
    try:
        check(hub.settings.database)
    except StateError:
        return False
    return True
