"""Who may log in, and for how long they stay so."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from hakobu.hub import accounts, sessions
from hakobu.hub.accounts import Account, Cost
from hakobu.hub.database import Database
from hakobu.hub.tables import accounts as stored
from hakobu.hub.tables import sessions as open_sessions
from hakobu_runtime.errors import StateError, UsageError
from hub_counts import NOW

CHEAP = Cost(2, 1, 1)
GOOD = "correct horse battery"


def added(database: Database, name: str = "anna", password: str = GOOD, *, operator: bool = False) -> Account:
    with database.begin() as connection:
        return accounts.add(connection, name, password, operator, NOW, CHEAP)


def checked(database: Database, name: str, password: str) -> Account | None:
    with database.read() as connection:
        return accounts.check(connection, name, password)


def worked(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[Cost]:
    """Return the costs of the hashes that are computed meanwhile."""
    work: list[Cost] = []
    hashed = accounts._hash

    def counted(password: str, salt: bytes, cost: Cost) -> bytes:
        work.append(cost)
        return hashed(password, salt, cost)

    with monkeypatch.context() as patch:
        patch.setattr(accounts, "_hash", counted)
        do()
    return work


# --- accounts ---


def test_name_and_password_together_say_who_somebody_is(database: Database) -> None:
    anna, boss = added(database), added(database, "boss", "another one of them", operator=True)
    assert checked(database, "anna", GOOD) == anna
    assert checked(database, "boss", "another one of them") == boss
    assert (anna.operator, boss.operator) == (False, True)
    for name, password in (
        ("anna", "another one of them"),
        ("anna", GOOD + " "),
        ("anna", ""),
        ("Anna", GOOD),
        ("", GOOD),
    ):
        assert checked(database, name, password) is None


def test_hostile_names_and_passwords_are_nobodys(database: Database) -> None:
    added(database)
    for text in ("' OR 1=1 --", "an\nna", "anna\x00", "\ud800", "‮anna", "x" * 100_000):
        assert checked(database, text, GOOD) is None
        assert checked(database, "anna", text) is None


def test_unknown_names_cost_the_same_work(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    added(database)
    pairs = (("anna", GOOD), ("anna", "wrong"), ("nobody", GOOD), ("no\nname", ""), ("", "x" * 5000))
    for name, password in pairs:
        assert worked(monkeypatch, partial(checked, database, name, password)) == [CHEAP]


def test_an_empty_hub_takes_as_long_to_say_no(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "STANDARD", Cost(4, 1, 1))
    assert worked(monkeypatch, lambda: checked(database, "anna", GOOD)) == [Cost(4, 1, 1)]


def test_the_standard_cost_is_one_that_guessing_cannot_afford() -> None:
    cost = accounts.STANDARD
    assert 128 * cost.n * cost.r >= 32 << 20  # bytes
    assert cost.n * cost.r * cost.p >= 3 * 8 * 2**15


def test_passwords_are_stored_hashed_each_with_its_own_salt_and_cost(database: Database) -> None:
    added(database, "one")
    added(database, "two")
    with database.read() as connection:
        kept = connection.execute(select(stored.c.password)).scalars().all()
    assert all(text.startswith("scrypt$2$1$1$") and GOOD not in text for text in kept)
    assert kept[0] != kept[1]


def test_a_password_typed_on_another_keyboard_is_the_same(database: Database) -> None:
    added(database, "花子", "ﾊﾟｽﾜｰﾄﾞ と Café au lait")
    assert checked(database, "花子", "パスワード と Cafe\u0301 au lait") is not None


def test_a_password_that_is_too_short_or_endless_is_refused(database: Database) -> None:
    for password in ("", "eleven char", "x" * 1001, "ﾊﾟ" * 11):
        with pytest.raises(UsageError, match="at least 12 letters"):
            added(database, password=password)
    with database.read() as connection:
        assert accounts.every(connection) == ()


def test_a_name_belongs_to_one(database: Database) -> None:
    added(database)
    for name in ("anna", "ａｎｎａ"):
        with pytest.raises(StateError, match="is an account 'anna' already"):
            added(database, name)
    with database.read() as connection:
        assert [one.name for one in accounts.every(connection)] == ["anna"]


def test_what_is_no_name_has_no_account(database: Database) -> None:
    for name in ("", "an\nna", " anna", "\u202eanna", "x" * 65):
        with pytest.raises(UsageError):
            added(database, name)


def test_a_new_password_logs_out_whoever_had_the_old_one(database: Database) -> None:
    anna = added(database)
    token, _ = opened(database, anna)
    with database.begin() as connection:
        accounts.set_password(connection, "anna", "something else now", CHEAP)
    assert checked(database, "anna", GOOD) is None
    assert checked(database, "anna", "something else now") == anna
    assert found(database, token) is None


def test_an_account_that_is_removed_is_logged_out(database: Database) -> None:
    token, _ = opened(database, added(database))
    with database.begin() as connection:
        assert accounts.remove(connection, "anna").name == "anna"
    assert found(database, token) is None
    assert checked(database, "anna", GOOD) is None


def test_who_is_not_there_cannot_be_changed(database: Database) -> None:
    with pytest.raises(StateError, match="no account 'nobody'"), database.begin() as connection:
        accounts.remove(connection, "nobody")
    with pytest.raises(StateError, match="no account 'nobody'"), database.begin() as connection:
        accounts.set_password(connection, "nobody", GOOD, CHEAP)


# --- sessions ---


def opened(database: Database, account: Account) -> tuple[str, str]:
    with database.begin() as connection:
        return sessions.open(connection, account, NOW)


def found(database: Database, token: str, after: timedelta = timedelta(0)) -> sessions.Session | None:
    with database.read() as connection:
        return sessions.find(connection, token, NOW + after)


def test_a_token_says_who_is_logged_in(database: Database) -> None:
    anna, boss = added(database), added(database, "boss", operator=True)
    tokens = [opened(database, one) for one in (anna, boss, anna)]
    assert [found(database, token).account for token, _ in tokens] == [anna, boss, anna]  # type: ignore[union-attr]
    assert [found(database, token).csrf for token, _ in tokens] == [csrf for _, csrf in tokens]  # type: ignore[union-attr]
    assert len({*sum(tokens, ())}) == 6
    assert all(len(text) >= 43 for pair in tokens for text in pair)  # 256 bits
    for text in ("", "\ud800", "'; DROP TABLE sessions", tokens[0][1]):
        assert found(database, text) is None


def test_the_database_does_not_hold_what_logs_in(database: Database) -> None:
    token, _ = opened(database, added(database))
    with database.read() as connection:
        row = connection.execute(select(open_sessions)).one()
    assert token not in repr(tuple(row))


def test_a_session_ends_that_nobody_uses(database: Database) -> None:
    token, _ = opened(database, added(database))
    assert found(database, token, sessions.IDLE - timedelta(seconds=1))
    assert found(database, token, sessions.IDLE) is None


def test_a_session_that_is_used_goes_on_but_not_for_ever(database: Database) -> None:
    token, _ = opened(database, added(database))
    after = timedelta(0)
    while (session := found(database, token, after)) is not None:
        if session.is_worn(NOW + after):
            with database.begin() as connection:
                sessions.renew(connection, session, NOW + after)
        after += timedelta(hours=6)
    assert after == sessions.LONGEST


def test_a_session_is_not_written_down_at_each_step(database: Database) -> None:
    token, _ = opened(database, added(database))
    session = found(database, token)
    assert session is not None
    assert not session.is_worn(NOW + timedelta(minutes=4))
    assert session.is_worn(NOW + timedelta(minutes=5))


def test_who_logs_out_is_out_and_others_are_not(database: Database) -> None:
    anna = added(database)
    first, second = (opened(database, anna)[0] for _ in range(2))
    with database.begin() as connection:
        sessions.close(connection, first)
    assert found(database, first) is None
    assert found(database, second) is not None


def test_what_has_expired_is_taken_out(database: Database) -> None:
    anna = added(database)
    opened(database, anna)
    with database.begin() as connection:
        assert sessions.prune(connection, NOW + sessions.IDLE - timedelta(seconds=1)) == 0
        sessions.open(connection, anna, NOW + sessions.IDLE)
        assert len(connection.execute(select(open_sessions)).all()) == 1
