"""The page of the API at /docs: Swagger UI from the wheel that has it, nothing from a network."""

from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import swagger_ui_bundle
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse

_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START = """window.addEventListener("load", function () {
  SwaggerUIBundle({
    url: document.getElementById("swagger-ui").dataset.url,
    dom_id: "#swagger-ui",
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    validatorUrl: null,
  });
});
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{root}/docs/favicon-32x32.png">
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-url="{root}/openapi.json"></div>
<script src="{root}/docs/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""

_VERSION = "3.0.3"
"""Of OpenAPI: the newest that this Swagger UI shows."""

router = APIRouter(include_in_schema=False)


def described(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Return what describes the API of `app`, in the words of OpenAPI 3.0."""

    @cache
    def describe() -> dict[str, Any]:
        found: dict[str, Any] = _older({**FastAPI.openapi(app), "openapi": _VERSION})
        return found

    return describe


@router.get("/docs")
def page(request: Request) -> Response:
    """Show the API."""
    root = escape(str(request.scope.get("root_path", "")))
    return HTMLResponse(_PAGE.format(title=escape(request.app.title), root=root))


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    """Return a file of that page."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _FILES:
        raise HTTPException(404, "there is no such file")
    return FileResponse(_folder() / name, media_type=_FILES[name], headers={"Cache-Control": "max-age=86400"})


def _older(value: Any) -> Any:
    """Return a part of a description by 3.1 as 3.0 says it."""
    if isinstance(value, list):
        return [_older(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _older(one) for name, one in value.items()}
    if {"type": "null"} in found.get("anyOf", ()):
        kinds = [one for one in found.pop("anyOf") if one != {"type": "null"}]
        found |= {**(kinds[0] if len(kinds) == 1 else {"anyOf": kinds}), "nullable": True}
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if isinstance(found.get("examples"), list):
        found["example"] = found.pop("examples")[0]
    return found


@cache
def _folder() -> Path:
    return Path(swagger_ui_bundle.swagger_ui_path)
