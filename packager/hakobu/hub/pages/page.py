"""One page: its language, its addresses and its template."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hakobu.hub.sessions import Session
from hakobu.hub.words import LANGUAGES, Words, words_for
from hakobu.resources import folder
from hakobu_runtime.version import __version__

NO_GROUP = " "
LANGUAGE = "hakobu-language"
"""The cookie that keeps a chosen language."""
_YEAR = 365 * 24 * 3600
_ASSETS: Mapping[str, str] = {"hub.css": "text/css", "hub.js": "text/javascript", "icon.svg": "image/svg+xml"}


def words_of(request: Request) -> Words:
    """Return the words in the language that a request asks for."""
    return words_for(
        request.query_params.get("lang"), request.cookies.get(LANGUAGE), request.headers.get("accept-language")
    )


def show(
    request: Request, template: str, session: Session | None = None, status: int = 200, **values: object
) -> Response:
    """Return the page that `template` makes of `values`; `session` is who looks, None on pages without a log-in."""
    words = words_of(request)
    root = str(request.scope.get("root_path", ""))
    text = _templates().get_template(f"{template}.html.jinja").render(
        words=words,
        _=words,
        many=words.many,
        session=session,
        at=lambda *parts, **query: address(root, *parts, **query),
        here=lambda **query: _here(request, query),
        languages=LANGUAGES,
        place=template,
        hakobu=__version__,
        **values,
    )  # fmt: skip
    answer = HTMLResponse(text, status, {"Content-Language": words.language, "Vary": "Accept-Language, Cookie"})
    if request.query_params.get("lang") in LANGUAGES:
        answer.set_cookie(LANGUAGE, words.language, _YEAR, path=root or "/", samesite="lax", httponly=True)
    return answer


def problem(request: Request, status: int, title: str, sentence: str, session: Session | None = None) -> Response:
    """Return the page that says, in words, why something cannot be shown or done."""
    return show(request, "problem", session, status, title=title, sentence=sentence, status_code=status)


def address(root: str, *parts: object, **query: object) -> str:
    """Return the address of a page of the hub, with a query of those values that are not empty.

    The group of the devices in none is a space there, which no other can be called.
    """
    path = "/".join(quote(str(part), safe="") for part in parts)
    if query.get("group") == "":
        query["group"] = NO_GROUP
    asked = {name: str(value) for name, value in query.items() if value is not None and value != ""}
    return f"{root}/{path}" + (f"?{urlencode(asked)}" if asked else "")


def _here(request: Request, query: Mapping[str, object]) -> str:
    """Return the address of the page that is shown, with some of its query changed; None takes a value out."""
    asked: dict[str, object] = {name: value for name, value in request.query_params.items() if name != "lang"}
    asked |= query
    return "?" + urlencode({name: str(value) for name, value in asked.items() if value is not None})


def asset(name: str) -> Response | None:
    """Return a file that pages are made with; None for any other name."""
    if name not in _ASSETS:
        return None
    content, _ = _asset(name)
    kind = _ASSETS[name]
    # Its address changes with its content (see `_mark`).
    return Response(content, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"})


@cache
def _asset(name: str) -> tuple[bytes, str]:
    content = (folder("templates") / "hub" / name).read_bytes()
    if name == "hub.css":  # the looks of the report of a build, in which palette and charts are at home
        palette = _templates().get_template("palette.css.jinja").render().encode()
        content = palette + (folder("templates") / "report" / "page.css").read_bytes() + content
    return content, urlsafe_b64encode(sha256(content).digest()[:6]).decode()


def _mark(name: str) -> str:
    """Return what tells one content of a file from another."""
    return _asset(name)[1]


@cache
def _templates() -> Environment:
    place = folder("templates")
    environment = Environment(
        loader=FileSystemLoader([place / "hub", place / "report"]),
        autoescape=True,  # names of devices, groups and columns may hold HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["mark"] = _mark
    return environment
