"""The tables of the hub's database, for SQLite and PostgreSQL alike; `migrations/` brings an older one up to these.

Counts lie in one block a window, packed (see hub.block): they are only ever added as a whole.
Times are seconds since 1970.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""How constraints are called, so that a migration finds them in either database."""

metadata = MetaData(naming_convention=NAMES)


class Moment(TypeDecorator[datetime]):
    """A time: an aware datetime here, whole seconds since 1970 in the database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        """Return the seconds of `value`."""
        return None if value is None else int(value.timestamp())

    def process_result_value(self, value: Any | None, dialect: Any) -> datetime | None:
        """Return the time of `value` seconds."""
        return None if value is None else datetime.fromtimestamp(int(value), UTC)


_Key = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts upwards by itself in a column of exactly this type."""


def _start(longest: int) -> String:
    """Return the type of what windows start at: compared letter by letter, whatever the database's language is."""
    return String(longest).with_variant(String(longest, collation="C"), "postgresql")


bundles = Table(
    "bundles",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("model", String(64), nullable=False, index=True),
    Column("version", String(64), nullable=False),
    Column("added", Moment, nullable=False),
    Column("notes", Text, nullable=False, default=""),
    Column("manifest", LargeBinary, nullable=False),
    Column("validation", LargeBinary, nullable=False),
    Column("card", Text, nullable=False, default=""),
)
"""The boxes whose counts are taken: what of each is needed to check and to judge them, and to show it."""

devices = Table(
    "devices",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("group_name", String(64), nullable=False, default=""),
    Column("enrolled", Moment, nullable=False),
    Column("seen", Moment),
    Column("blocked", String(300), nullable=False, default=""),
    Column("serial", BigInteger, nullable=False, default=0),
    Column("made", String(40), nullable=False, default=""),
    Column("runtime", String(300), nullable=False, default=""),
    Column("platform", String(300), nullable=False, default=""),
)
"""`blocked` is why, "" when it is not; `serial`, `made`, `runtime` and `platform` are of the newest parcel."""

parcels = Table(
    "parcels",
    metadata,
    Column("device_id", ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("serial", BigInteger, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("received", Moment, nullable=False, index=True),
)
"""What came home, for receipts, and so that a serial is not used twice."""

windows = Table(
    "windows",
    metadata,
    Column("device_id", ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("epoch", String(500), primary_key=True),
    Column("start", _start(13), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Index("ix_windows_bundle_id_start", "bundle_id", "start"),
)
"""The state of each device's windows; the length of `start` tells the span: an hour 13, a day 10, a month 7."""

totals = Table(
    "totals",
    metadata,
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("group_name", String(64), primary_key=True),
    Column("start", _start(10), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("counts", LargeBinary, nullable=False),
)
"""The sums of `windows` over the devices of a group: of each day its hours and days, of each month all in it.

Changed with them in one transaction, so that they are the same sums always.
"""

outcomes = Table(
    "outcomes",
    metadata,
    Column("device_id", ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("epoch", String(500), primary_key=True),
    Column("start", _start(13), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # With all that tells whether they have changed, so that their contents need not be touched for that.
    Index("ix_outcomes_bundle_id_start", "bundle_id", "start", "device_id", "revision"),
)
"""The state of each device's outcomes; `content` is a hakobu.outcome/1."""

outcome_totals = Table(
    "outcome_totals",
    metadata,
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("group_name", String(64), primary_key=True),
    Column("start", _start(10), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("counts", LargeBinary, nullable=False),
)
"""The sums of `outcomes` over the devices of a group, by day; `counts` are OutcomeCounts. Changed with them, too."""

states = Table(
    "states",
    metadata,
    Column("device_id", ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("channel", String(64), nullable=False, default=""),
    Column("version", String(64), nullable=False, default=""),
    Column("digest", String(64), nullable=False, default=""),
    Column("content", LargeBinary, nullable=False),
    Index("ix_states_model_version", "model", "version"),
)
"""What each device has of each model, by its newest parcel; `content` is the ModelState, the others its active box."""

changes = Table(
    "changes",
    metadata,
    Column("device_id", ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("since", Moment, primary_key=True),
    Column("version", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
"""Since when a device ran which version: how a release was adopted over time."""

refusals = Table(
    "refusals",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("kind", String(40), primary_key=True),
    Column("many", BigInteger, nullable=False),
    Column("words", String(600), nullable=False),
)
"""What was refused: how often, and the last reason given; nothing else of it is kept."""

invites = Table(
    "invites",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("token", String(64), nullable=False, unique=True),
    Column("group_name", String(64), nullable=False, default=""),
    Column("made", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
    Column("device_id", ForeignKey("devices.id", ondelete="SET NULL")),
)
"""Tokens that enrol one device each; `token` is the sha256 of it."""

accounts = Table(
    "accounts",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("password", String(200), nullable=False),
    Column("operator", Boolean, nullable=False),
    Column("made", Moment, nullable=False),
)
"""Who may log in; an operator may change things, everybody else looks. `password` is scrypt's, with its salt."""

sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),
    Column("account_id", ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("opened", Moment, nullable=False),
    Column("expires", Moment, nullable=False, index=True),
)
"""`token` is the sha256 of what the browser's cookie holds; `expires` moves on while it is used, up to an end."""

alarms = Table(
    "alarms",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("model", String(64), nullable=False, index=True),
    Column("version", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("group_name", String(64), nullable=False, default=""),
    Column("device", String(64), nullable=False, default=""),
    Column("period", String(10), nullable=False),
    Column("words", Text, nullable=False),
    Column("opened", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("closed", Moment),
    Column("snoozed", Moment),
    Column("told", Moment),
    UniqueConstraint("model", "version", "kind", "subject", "group_name", "device", "opened"),
)
"""What calls for somebody: `kind` is drift, outcome or device; `told` is when the hooks heard of it, `snoozed` until
when they do not."""

facts = Table(
    "facts",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)
"""What the hub knows of itself, like the month before which nothing is kept (see hub.horizon)."""

evaluations = Table(
    "evaluations",
    metadata,
    Column("bundle_id", ForeignKey("bundles.id"), primary_key=True),
    Column("mark", String(200), nullable=False),
    Column("evaluated", Moment, nullable=False),
)
"""Of what state of its counts each bundle was last judged for alarms: the same again is not judged again."""

tellings = Table(
    "tellings",
    metadata,
    Column("alarm_id", ForeignKey("alarms.id", ondelete="CASCADE"), primary_key=True),
    Column("hook", String(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("due", Moment, nullable=False),
    Column("told", Moment),
    Column("words", String(600), nullable=False, default=""),
)
"""Which hook heard of which alarm, or when it is tried again, and what went wrong; `hook` is a sha256 of what it is."""
