"""The hub as a web application."""

from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse

from hakobu.hub.pages.page import problem
from hakobu.hub.pages.routes import router as pages_router
from hakobu.hub.sentences import spoken
from hakobu.hub.web import api, api_docs, login, watch
from hakobu.hub.web.address import Proxied, address_of
from hakobu.hub.web.body import Small, Turned
from hakobu.hub.web.depot_files import depot_router
from hakobu.hub.web.headers import Usual
from hakobu.hub.web.login import ForbiddenError, StrangerError
from hakobu.hub.web.rounds import Rounds
from hakobu.hub.web.settings import Settings
from hakobu.hub.web.state import Hub, build, hub_of
from hakobu_runtime.errors import HakobuError, StateError
from hakobu_runtime.version import __version__

_API = "/api/"
_AWAY = "the hub's database cannot be used just now: it is tried again later"
_AWAY_PAGE = spoken("Its database cannot be used just now. Devices keep their counts and send them again.")
_FAULT = spoken("This is a fault of the hub. Its log says more.")
_ABOUT = """\
The service that takes the counts of a fleet of devices, and serves them their depot.

A **parcel** holds what a device counted: never a row, never a value. It is signed by the device, so that no log-in is
needed, and sent as often as it takes: one that comes twice changes nothing. Refusals are `hakobu.refused/1`, with a
`kind` for machines and an `error` for people.
"""
_TAGS = [
    {"name": "devices", "description": "What devices send."},
    {"name": "depot", "description": "What devices fetch: static files of The Update Framework."},
    {"name": "operation", "description": "What watches the hub."},
]


def create_app(settings: Settings) -> FastAPI:
    """Return the application; raise StateError when its events cannot be written."""
    hub = build(settings)
    app = FastAPI(
        title="hakobu hub",
        version=__version__,
        description=_ABOUT,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=Rounds(hub).going,
    )
    app.state.hub = hub
    app.openapi = api_docs.described(app)  # type: ignore[method-assign]
    routers = [api.router, watch.router, login.router, api_docs.router, pages_router(settings)]
    if settings.depot is not None:
        routers.append(depot_router(settings.depot))
    for router in routers:
        app.include_router(router)
    _handle_errors(app)
    app.add_middleware(Small, but=_API)
    app.add_middleware(Usual, metrics=hub.metrics)
    app.add_middleware(Proxied, proxies=settings.proxies, root_path=settings.root_path)
    return app


def _handle_errors(app: FastAPI) -> None:
    app.exception_handler(Turned)(_turned)
    app.exception_handler(HakobuError)(_failed)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_plain)
    app.exception_handler(ForbiddenError)(_forbidden)
    app.exception_handler(StrangerError)(_stranger)
    app.exception_handler(ClientDisconnect)(_gone)
    app.exception_handler(Exception)(_broken)


async def _turned(request: Request, error: Turned) -> Response:
    hub_of(request).note_refused(
        error.kind,
        error.words,
        is_counted=error.is_counted,
        device=error.device,
        status=error.status,
        address=address_of(request),
    )
    return _refuse(error.status, error.kind, error.words, error.wait)


async def _failed(request: Request, error: HakobuError) -> Response:
    """Answer where the database, or what somebody asked for, is not in order."""
    _note_trouble(hub_of(request), error)
    if _is_api(request):
        return _refuse(503, "unavailable", _AWAY, 30)
    if isinstance(error, StateError):
        return problem(request, 503, spoken("The hub cannot answer"), _AWAY_PAGE)
    return problem(request, 400, spoken("Not done"), str(error))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    words = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
    if _is_api(request):
        return _refuse(422, "malformed", words)
    return problem(request, 422, spoken("Not done"), words)


async def _plain(request: Request, error: HTTPException) -> Response:
    """Answer where there is nothing, or not in this way."""
    if _is_api(request):
        return _refuse(error.status_code, "malformed", str(error.detail), 0, error.headers)
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return problem(request, 404, "Not found", spoken("There is no such page here."))
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


async def _forbidden(request: Request, error: ForbiddenError) -> Response:
    return problem(request, 403, spoken("Not allowed"), str(error))


async def _broken(request: Request, error: Exception) -> Response:
    """Answer where the hub itself is wrong; the error goes on to the server's log."""
    if _is_api(request):
        return _refuse(500, "unavailable", _FAULT)
    return problem(request, 500, spoken("Something is wrong"), _FAULT)


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    """Answer whoever hung up in the midst of a form: nobody reads it, and it is no fault of ours for the log."""
    return PlainTextResponse("the form broke off\n", 400)


async def _stranger(request: Request, error: StrangerError) -> Response:
    return login.to_login(request)


def _refuse(status: int, kind: str, words: str, wait: int = 0, more: Mapping[str, str] | None = None) -> Response:
    headers = dict(more or {})
    if wait:
        headers["Retry-After"] = str(wait)
    # Of a body that was not read to its end, nothing more is wanted.
    headers["Connection"] = "close"
    return JSONResponse({"schema": "hakobu.refused/1", "kind": kind, "error": words}, status, headers)


def _note_trouble(hub: Hub, error: HakobuError) -> None:
    hub.metrics.refusals.labels("unavailable").inc()
    hub.events.write("trouble", words=str(error))


def _is_api(request: Request) -> bool:
    path = request.url.path.removeprefix(str(request.scope.get("root_path", "")))
    return path.startswith(_API)
