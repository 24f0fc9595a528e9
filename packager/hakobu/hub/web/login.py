"""Who looks at the pages: somebody who logged in, or whom a trusted reverse proxy says that it let in.

session = await current(request)     # a viewer at least; others are sent to /login
session = await operator(request)    # may change things; a POST must hold its form's `csrf`
"""

import hmac
import time
from secrets import token_urlsafe
from urllib.parse import quote, urlsplit

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from hakobu.hub import accounts, sessions
from hakobu.hub.accounts import Account
from hakobu.hub.pages.page import show
from hakobu.hub.sentences import spoken
from hakobu.hub.sessions import Session
from hakobu.hub.web.address import address_of, comes_from, crowd_of
from hakobu.hub.web.state import Hub, hub_of

COOKIE = "hakobu-session"
_FORM_COOKIE = "hakobu-login"
"""Holds what the form of the log-in must hold too: nobody else's page can log somebody in."""
_LONGEST = 1_000
"""Letters of anything in a form here."""


class StrangerError(Exception):
    """Nobody is logged in: to the log-in, then."""


class ForbiddenError(Exception):
    """Somebody is logged in, and may not do this."""


async def current(request: Request) -> Session:
    """Return who is logged in; raise StrangerError when nobody is."""
    hub = hub_of(request)
    found = await to_thread.run_sync(_proxied if hub.settings.proxy_header else _logged_in, hub, request)
    if found is None:
        raise StrangerError
    return found


async def member(request: Request) -> Session:
    """Return who sent a form, whatever their role; raise StrangerError, and ForbiddenError unless it is one of ours."""
    session = await current(request)
    if request.method not in ("GET", "HEAD"):
        form = await request.form()
        if not _same(form.get("csrf"), session.csrf):
            raise ForbiddenError("this form is no longer valid: go back, load the page again, and send it once more")
    return session


async def operator(request: Request) -> Session:
    """Return the operator who asks; raise StrangerError or ForbiddenError for everybody else."""
    session = await member(request)
    if not session.account.operator:
        raise ForbiddenError(f"{session.account.name} may look, but not change anything: ask an operator of the hub")
    if request.method == "POST":
        hub_of(request).events.write("change-asked", account=session.account.name, path=request.url.path)
    return session


router = APIRouter(include_in_schema=False)


@router.get("/login")
async def login_form(request: Request) -> Response:
    """Show the form of the log-in."""
    hub = hub_of(request)
    if hub.settings.proxy_header:
        trouble = spoken("Log in at the proxy in front of this hub: it sends no %(header)s.")
        return _show(request, 403, trouble, header=hub.settings.proxy_header)
    return await _show_form(request)


@router.post("/login")
async def login(request: Request) -> Response:
    """Log somebody in."""
    hub = hub_of(request)
    if hub.settings.proxy_header:
        raise ForbiddenError("people log in at the proxy in front of this hub")
    form = await request.form()
    name, password, csrf = (_text(form.get(field)) for field in ("name", "password", "csrf"))
    if not _same(csrf, request.cookies.get(_FORM_COOKIE)):
        return await _show_form(request, spoken("The page was open for too long: try once more."), 403, name)
    if wait := _wait(hub, request, name):
        _note_failed(hub, request, "too many tries")
        return await _show_form(request, spoken("Too many tries: wait some minutes."), 429, name, wait)
    found = await to_thread.run_sync(_check, hub, name, password, limiter=hub.hashing)
    if found is None:
        _note_failed(hub, request, "wrong name or password")
        return await _show_form(request, spoken("This name and password do not belong together."), 401, name)
    token = await to_thread.run_sync(_open, hub, found)
    hub.metrics.logins.labels("in").inc()
    hub.events.write("login", account=found.name, address=address_of(request))
    answer = RedirectResponse(_next(request), 303)
    _set(request, answer, COOKIE, token, int(sessions.LONGEST.total_seconds()))
    answer.delete_cookie(_FORM_COOKIE, path=_path(request))
    return answer


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Log somebody out."""
    session = await member(request)
    hub, token = hub_of(request), request.cookies.get(COOKIE, "")
    if token:
        await to_thread.run_sync(_close, hub, token)
    hub.events.write("logout", account=session.account.name, address=address_of(request))
    answer = RedirectResponse(f"{_root(request)}/login", 303)
    answer.delete_cookie(COOKIE, path=_path(request))
    return answer


def to_login(request: Request) -> Response:
    """Return what sends somebody to the log-in, and back to where they were going afterwards."""
    if request.method not in ("GET", "HEAD"):
        return RedirectResponse(f"{_root(request)}/login", 303)
    wanted = request.url.path.removeprefix(_root(request)) + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{_root(request)}/login?next={quote(wanted, safe='')}", 303)


def _logged_in(hub: Hub, request: Request) -> Session | None:
    token = request.cookies.get(COOKIE)
    if not token or len(token) > _LONGEST:
        return None
    now = hub.settings.clock()
    with hub.settings.database.read() as connection:
        session = sessions.find(connection, token, now)
    if session is not None and session.is_worn(now):
        with hub.settings.database.begin() as connection:
            sessions.renew(connection, session, now)
    return session


def _proxied(hub: Hub, request: Request) -> Session | None:
    """Return whom the proxy let in: an operator where an account of that name is one, a viewer otherwise."""
    told = request.headers.getlist(hub.settings.proxy_header)
    name = _utf8(told[0]) if len(told) == 1 else ""  # of two, one may be what a client sent, and nobody knows which
    if not name or len(name) > 64 or not name.isprintable() or not comes_from(request, hub.settings.proxies):
        return None
    now = hub.settings.clock()
    with hub.settings.database.read() as connection:
        account = accounts.find(connection, name) or Account(0, name, False, now)
    return Session(account, hub.mark(account.name), "", now, now + sessions.IDLE)


def _check(hub: Hub, name: str, password: str) -> Account | None:
    with hub.settings.database.read() as connection:
        return accounts.check(connection, name, password)


def _open(hub: Hub, account: Account) -> str:
    with hub.settings.database.begin() as connection:
        return sessions.open(connection, account, hub.settings.clock())[0]


def _close(hub: Hub, token: str) -> None:
    with hub.settings.database.begin() as connection:
        sessions.close(connection, token)


def _has_accounts(hub: Hub) -> bool:
    with hub.settings.database.read() as connection:
        return bool(accounts.every(connection))


def _wait(hub: Hub, request: Request, name: str) -> float:
    """Return how many seconds have to pass before another try; 0 when one may be made now."""
    now, crowd, paces = time.monotonic(), crowd_of(request), hub.paces
    known = name.casefold()[:100]
    keyed = ((paces.logins, f"{crowd} {known}"), (paces.visitors, crowd), (paces.names, known))
    longest = max(pace.wait(key, now) for pace, key in keyed)
    if not longest:
        for pace, key in keyed:
            pace.allow(key, now)
    return longest


def _note_failed(hub: Hub, request: Request, words: str) -> None:
    """Tell of it without the name: somebody may have typed a password into the wrong field."""
    hub.metrics.logins.labels("failed").inc()
    hub.events.write("login-failed", words=words, address=address_of(request))


async def _show_form(
    request: Request, trouble: str = "", status: int = 200, name: str = "", wait: float = 0
) -> Response:
    """Show the form, with what was wrong with the one that came."""
    is_first = not await to_thread.run_sync(_has_accounts, hub_of(request))
    csrf = request.cookies.get(_FORM_COOKIE) or token_urlsafe(32)
    answer = _show(request, status, trouble, csrf, name[:64], is_first=is_first)
    if wait:
        answer.headers["Retry-After"] = str(int(wait) + 1)
    _set(request, answer, _FORM_COOKIE, csrf, 3600)
    return answer


def _show(
    request: Request,
    status: int,
    trouble: str,
    csrf: str = "",
    name: str = "",
    *,
    is_first: bool = False,
    **values: str,
) -> Response:
    """Show the page; the `%(name)s` of `trouble` stand for `values`."""
    return show(request, "login", None, status, trouble=trouble, values=values, csrf=csrf, name=name, is_first=is_first)


def _set(request: Request, answer: Response, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    answer.set_cookie(name, value, seconds, path=_path(request), secure=secure, httponly=True, samesite="lax")


def _next(request: Request) -> str:
    """Return where somebody wanted to go: a path of ours, and nowhere else."""
    wanted = request.query_params.get("next", "/")
    parts = urlsplit(wanted)
    ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return _root(request) + (quote(wanted, safe="/?&=%:+,;@~-._") if ours and wanted.isprintable() else "/")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _path(request: Request) -> str:
    return _root(request) or "/"


def _utf8(header: str) -> str:
    """Return a header that was read as Latin-1, as all are, by what proxies write."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _same(one: object, other: str | None) -> bool:
    return isinstance(one, str) and bool(other) and hmac.compare_digest(one.encode(), str(other).encode())


def _text(field: object) -> str:
    return field[:_LONGEST] if isinstance(field, str) else ""
