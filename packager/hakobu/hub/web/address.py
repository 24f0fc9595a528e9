"""Who asks: the address behind a reverse proxy, believed from proxies that are trusted alone."""

from ipaddress import ip_address, ip_network

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from hakobu.hub.pace import source

_PEER = "hakobu.peer"
_LONGEST = 100
"""Letters: a proxy hands on what somebody wrote."""
_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")


class Proxied:
    """Puts the address and the scheme that a trusted proxy tells in the place of the proxy's own."""

    def __init__(self, app: ASGIApp, proxies: tuple[str, ...], root_path: str) -> None:
        """`root_path`: below which the proxy shows us, whether it leaves that in the address or not."""
        self._app: ASGIApp = ProxyHeadersMiddleware(app, list(proxies)) if proxies else app  # type: ignore[arg-type,assignment]
        self._root = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remember who speaks to us, and go on."""
        if scope["type"] == "http":
            scope = {**scope, "root_path": self._root, _PEER: (scope.get("client") or ("",))[0]}
            if not f"{scope['path']}/".startswith(f"{self._root}/"):
                scope["path"] = self._root + scope["path"]
            elif scope["path"] == self._root:  # as people type it
                scope["path"] += "/"
        await self._app(scope, receive, send)


def address_of(request: Request) -> str:
    """Return the address of who asks, as far as that is known."""
    return request.client.host[:_LONGEST] if request.client else ""


def crowd_of(request: Request) -> str:
    """Return what is counted as one asker: an IPv4 address, or the half of an IPv6 one that a line is given."""
    return source(address_of(request))


def comes_from(request: Request, proxies: tuple[str, ...]) -> bool:
    """Say whether a trusted proxy itself speaks to us."""
    try:
        peer = ip_address(request.scope.get(_PEER, ""))
    except ValueError:
        return False
    return any(peer in ip_network(proxy) for proxy in proxies)


def is_local(request: Request) -> bool:
    """Say whether somebody on this very machine asks, and no proxy for somebody else."""
    try:
        if not ip_address(address_of(request)).is_loopback:
            return False
    except ValueError:
        return False
    told = request.scope.get(_PEER) != address_of(request)
    return told or not any(name in request.headers for name in _FORWARDED)
