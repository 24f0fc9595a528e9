"""What devices say to the hub: their parcels, and at first who they are. Believed for their signatures alone."""

import time
from base64 import b64encode
from functools import partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Request

from hakobu.hub.intake import Taken
from hakobu.hub.invites import admit
from hakobu.hub.refusals import Refusal
from hakobu.hub.web.address import address_of, crowd_of
from hakobu.hub.web.answers import EnrolledAnswer, RefusedAnswer, TakenAnswer
from hakobu.hub.web.body import Turned, declared_size
from hakobu.hub.web.desk import WHERE
from hakobu.hub.web.door import Known, Unwelcome
from hakobu.hub.web.state import Hub, hub_of
from hakobu_runtime.errors import FormatError, TrustError
from hakobu_runtime.format.parcel import KIND
from hakobu_runtime.uplink.parcel import read_parcel

_LARGE = 256 << 10
"""Bytes that are not even read of an address that sent much nonsense."""
_WAIT = 60
"""Seconds, told where nothing better is known."""

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file of a parcel: a DSSE envelope around deflated JSON, signed with the device's key, as "
        "`hakobu-run sync` and `hakobu-run export -o FILE` write it. 8 MiB at most.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["payload", "payloadType", "signatures"]},
                "example": {
                    "payload": "eNqrVi…",
                    "payloadType": KIND,
                    "signatures": [{"sig": "MEUCIQ…", "keyid": "e50eb2bd…"}],
                },
            }
        },
    }
}


def _may(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "It is no parcel, is damaged, or broke off.",
        403: "It is forged, of a device that is not known or is blocked, or the invitation is of no use.",
        408: "It came too slowly.",
        409: "Its serial came before with other content: two devices go by one name.",
        413: "It is too large.",
        415: "It is compressed once more.",
        422: "Its counts cannot be, do not fit their bundle, are of the future, or of a bundle that is not known.",
        429: "Too much of that was refused: wait as long as `Retry-After` says.",
        503: "The hub is busy, or its database is away: try again after `Retry-After` seconds.",
    }
    return {status: {"model": RefusedAnswer, "description": words[status]} for status in statuses}


router = APIRouter(prefix="/api/v1", tags=["devices"])


@router.post(
    "/parcels",
    summary="Take a parcel",
    description="Takes the counts of a device. It is in the database when the answer comes; the same parcel sent again "
    "changes nothing. No log-in: the parcel's signature, by the key that the device enrolled with, says who it is.",
    responses=_may(400, 403, 408, 409, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
    operation_id="post_parcel",
)
async def take_parcel(request: Request) -> TakenAnswer:
    """Take a parcel."""
    hub, crowd = hub_of(request), crowd_of(request)
    _check_crowd(hub, crowd, declared_size(request))
    async with hub.bodies.read(request, crowd) as content:
        device = await _let_in(hub, crowd, content)
        answer = await hub.desk.take(content)
    taken = answer.outcome
    if isinstance(taken, Refusal):
        hub.paces.devices.allow(device.name, time.monotonic())
        raise Turned(taken.status, taken.kind, taken.words, device=device.name, is_counted=True)
    _note(hub, taken)
    return TakenAnswer(
        device=taken.device,
        serial=taken.serial,
        new=taken.is_new,
        receipt=None if answer.receipt is None else b64encode(answer.receipt).decode(),
        left_out=list(taken.left_out),
    )


@router.post(
    "/enrol",
    summary="Enrol a device",
    description="Makes the key that the parcel is signed with known as that of its device, by an invitation "
    "(`hakobu hub invite`), which enrols one device. The counts in the parcel are not taken: post it as a parcel. Sent "
    "again by a device that is enrolled with this key, it uses up no other invitation.",
    responses=_may(400, 403, 408, 413, 415, 422, 429, 503),
    openapi_extra=_BODY,
    operation_id="enrol",
)
async def enrol(
    request: Request,
    hakobu_invite: Annotated[
        str, Header(max_length=200, description="The token of the invitation, like K7QF-3M2X-…, as it was given.")
    ] = "",
) -> EnrolledAnswer:
    """Enrol a device."""
    hub, crowd = hub_of(request), crowd_of(request)
    if hub.paces.strangers.wait(crowd, time.monotonic()):
        raise _too_many(hub, crowd)
    async with hub.bodies.read(request, crowd) as content:
        try:
            answer = await to_thread.run_sync(_admit, hub, content, hakobu_invite, limiter=hub.checking)
        except Turned:
            hub.paces.strangers.allow(crowd, time.monotonic())
            raise
    hub.events.write("device-enrolled", device=answer.device, group=answer.group, address=address_of(request))
    return answer


async def _let_in(hub: Hub, crowd: str, content: bytes) -> Known:
    """Return the device that signed `content`; raise Turned for strangers, and who failed too often."""
    now = time.monotonic()
    check = partial(hub.door.check, content, is_trusting=not hub.paces.strangers.wait(crowd, now))
    found = await to_thread.run_sync(check, limiter=hub.checking)
    if isinstance(found, Unwelcome):
        if not hub.paces.strangers.allow(crowd, now):
            raise _too_many(hub, crowd)
        raise Turned(found.kind.status, found.kind, found.words)
    if wait := hub.paces.devices.wait(found.name, now):
        words = f"too many parcels of {found.name} were refused: it is tried again later"
        raise Turned(429, "too-many", words, int(wait) + 1, found.name)
    return found


def _check_crowd(hub: Hub, crowd: str, size: int) -> None:
    """Do not even read what is large, from where too much nonsense came."""
    if size > _LARGE and hub.paces.strangers.wait(crowd, time.monotonic()):
        raise _too_many(hub, crowd)


def _too_many(hub: Hub, crowd: str) -> Turned:
    wait = hub.paces.strangers.wait(crowd, time.monotonic()) or _WAIT
    return Turned(429, "too-many", "too much that came from this address was refused: try again later", int(wait) + 1)


def _admit(hub: Hub, content: bytes, token: str) -> EnrolledAnswer:
    """Make the device known; run in a thread."""
    try:
        opened = read_parcel(content, WHERE)
    except FormatError as error:
        raise Turned(400, "malformed", str(error)) from error
    except TrustError as error:
        raise Turned(403, "forged", str(error)) from error
    try:
        with hub.settings.database.begin() as connection:
            pem = opened.key.pem.decode()
            device = admit(connection, token, opened.parcel.device, pem, hub.settings.clock())
    except TrustError as error:
        raise Turned(403, "invitation", str(error)) from error
    hub.door.refresh()
    return EnrolledAnswer(device=device.name, group=device.group)


def _note(hub: Hub, taken: Taken) -> None:
    hub.metrics.parcels.labels("new" if taken.is_new else "known").inc()
    hub.metrics.windows.inc(taken.windows)
    hub.events.write(
        "parcel-taken", device=taken.device, serial=taken.serial, new=taken.is_new, windows=taken.windows,
        left_out=list(taken.left_out) or None,
    )  # fmt: skip
