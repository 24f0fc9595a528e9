"""The depot's static files: what devices fetch, and nothing else that lies in its folder."""

import re
import stat
from hashlib import sha256
from os import stat_result
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse

from hakobu.depot.depot import METADATA, TARGETS_FOLDER

_TIMESTAMP = f"{METADATA}/timestamp.json"
_LARGEST_TIMESTAMP = 1 << 20
_NAME = r"[0-9A-Za-z][0-9A-Za-z._+-]*"
_OFFERED = re.compile(rf"{METADATA}/[1-9]\d*\.{_NAME}\.json|{TARGETS_FOLDER}/{_NAME}/{_NAME}/[0-9a-f]{{64}}\.{_NAME}")
"""All but the timestamp: named by version or digest, so that their content never changes."""
_TYPES = {".json": "application/json", ".hako": "application/vnd.hakobu.bundle+zip"}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_ASK = {"Cache-Control": "no-cache"}


def depot_router(depot: Path) -> APIRouter:
    """Return what serves the folder `depot` below /depot: GET and HEAD, with Range, ETag and If-None-Match."""
    router = APIRouter(prefix="/depot", tags=["depot"])

    @router.head("/{path:path}", include_in_schema=False)  # of one name, the description would have it twice
    @router.get(
        "/{path:path}",
        response_class=Response,
        summary="Fetch a file of the depot",
        description="Static files of The Update Framework, which devices check by their signatures. Takes `Range`.",
        operation_id="depot_file",
        responses={
            200: {"content": {"application/octet-stream": {}}, "description": "The file."},
            206: {"description": "The part of it that `Range` asks for."},
            304: {"description": "It is what `If-None-Match` names."},
            404: {"description": "There is no such file."},
            416: {"description": "It has no such part."},
        },
    )
    def file(path: str, request: Request) -> Response:
        if path == _TIMESTAMP:
            return _timestamp(depot / path, request)
        found = _find(depot, path)
        if found is None:
            raise HTTPException(404, "there is no such file in the depot")
        # The name holds the version or the digest: it is as good as the content.
        tag = f'"{sha256(path.encode()).hexdigest()[:32]}-{found.st_size}"'
        headers = {"ETag": tag, **_FOREVER}
        if _is_known(request, tag):
            return Response(status_code=304, headers=headers)
        kind = _TYPES.get(Path(path).suffix, "application/octet-stream")
        return FileResponse(depot / path, headers=headers, media_type=kind, stat_result=found)

    return router


def _find(depot: Path, path: str) -> stat_result | None:
    """Return what the system says of a plain file that devices may fetch; None when there is no such file."""
    if not _OFFERED.fullmatch(path):
        return None
    try:
        place = depot.resolve(strict=True) / path
        found = place.lstat()
        # A folder on the way that leads elsewhere would show what is no part of the depot.
        return found if stat.S_ISREG(found.st_mode) and place.resolve(strict=True) == place else None
    except (OSError, ValueError):
        return None


def _timestamp(path: Path, request: Request) -> Response:
    """Answer with the one file that changes: read at once, so that it is the old one or the new one."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise HTTPException(404, "there is no such file in the depot")
        with path.open("rb") as file:
            content = file.read(_LARGEST_TIMESTAMP)
    except OSError as error:
        raise HTTPException(404, "there is no such file in the depot") from error
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, **_ASK}
    if _is_known(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def _is_known(request: Request, tag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    return tag in known or "*" in known
