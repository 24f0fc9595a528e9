"""What the hub answers devices and machines: the objects of its API."""

from typing import Literal

from pydantic import BaseModel, Field


class TakenAnswer(BaseModel):
    """The parcel is in the database."""

    schema_: Literal["hakobu.taken/1"] = Field(default="hakobu.taken/1", serialization_alias="schema")
    device: str = Field(description="The name of the device whose parcel it is.", examples=["press-line-4"])
    serial: int = Field(description="The number of the parcel.", examples=[17])
    new: bool = Field(description="Whether it was not here before. Sending one twice does no harm.")
    receipt: str | None = Field(
        description="The signed word that came home (base64 of a hakobu.receipt/1), so that the device need not send "
        "those counts again; null where the hub has no key for receipts."
    )
    left_out: list[str] = Field(
        default_factory=list,
        description="What of the parcel could not be counted yet, in words for the device to show: windows of a bundle "
        "that the hub does not know, or of the future. Such a parcel is in no receipt, so that it is sent again.",
    )


class EnrolledAnswer(BaseModel):
    """The device's key is known from now on."""

    schema_: Literal["hakobu.enrolled/1"] = Field(default="hakobu.enrolled/1", serialization_alias="schema")
    device: str = Field(examples=["press-line-4"])
    group: str = Field(description='The group that the invitation was for; "" for none.', examples=["plant-2"])


class RefusedAnswer(BaseModel):
    """It was not taken, and nothing of it is kept."""

    schema_: Literal["hakobu.refused/1"] = Field(default="hakobu.refused/1", serialization_alias="schema")
    kind: str = Field(
        description="Why, for machines: malformed, too-large, slow, busy, too-many, forged, unknown-device, blocked, "
        "unknown-bundle, other-bins, future, impossible-counts, serial-reused, invitation, unavailable.",
        examples=["unknown-device"],
    )
    error: str = Field(description="Why, for people: one line that the device shows.")


class HealthAnswer(BaseModel):
    """How the hub is."""

    schema_: Literal["hakobu.health/1"] = Field(default="hakobu.health/1", serialization_alias="schema")
    status: Literal["ok", "failing"]
    version: str = Field(description="Of hakobu.")
    database: bool = Field(description="Whether the database answers, with the tables of this version.")
    depot: bool | None = Field(description="Whether the depot could be read; null where none is served.")
