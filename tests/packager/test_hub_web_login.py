"""Who gets to see the pages, who may change things, and who is kept out."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Form, Request
from starlette.testclient import TestClient

from hakobu.hub.accounts import Cost, add, set_password
from hakobu.hub.database import Database
from hakobu.hub.sessions import Session
from hakobu.hub.web.login import COOKIE, current, operator
from hakobu_runtime.errors import UsageError
from hub_senders import NOW
from hub_web import served, settings_of

CHEAP = Cost(2, 1, 1)
PASSWORD = "correct horse battery"


@pytest.fixture
def database(sqlite: Database) -> Database:
    with sqlite.begin() as connection:
        add(connection, "ada", PASSWORD, True, NOW, CHEAP)
        add(connection, "bob", PASSWORD, False, NOW, CHEAP)
    return sqlite


def give_pages(app: FastAPI) -> None:
    """Add a page to look at, and a form to change something."""

    @app.get("/who")
    def who(session: Annotated[Session, Depends(current)]) -> dict[str, Any]:
        return {"name": session.account.name, "operator": session.account.operator, "csrf": session.csrf}

    @app.post("/change")
    def change(session: Annotated[Session, Depends(operator)], what: Annotated[str, Form()], request: Request) -> str:
        return f"{session.account.name} {what}"


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with served(database) as client:
        give_pages(client.app)  # type: ignore[arg-type]
        yield client


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]


def log_in(client: TestClient, name: str = "ada", password: str = PASSWORD, query: str = "", **more: str) -> Any:
    csrf = csrf_in(client.get(f"/login{query}").text)
    return client.post(f"/login{query}", data={"name": name, "password": password, "csrf": csrf, **more})


def test_nobody_sees_a_page_without_logging_in_and_then_comes_where_they_wanted(client: TestClient) -> None:
    answer = client.get("/who?x=1&y=<b>")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fwho%3Fx%3D1%26y%3D%253Cb%253E")
    answer = log_in(client, query=answer.headers["location"].removeprefix("/login"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/who?x=1&y=%3Cb%3E")
    found = client.get("/who").json()
    assert (found["name"], found["operator"]) == ("ada", True)


@pytest.mark.parametrize("wanted", ["https://evil.test", "//evil.test", "/\\evil.test", "javascript:x", "\thttps://e"])
def test_the_log_in_leads_nowhere_else(client: TestClient, wanted: str) -> None:
    csrf = csrf_in(client.get("/login").text)
    form = {"name": "ada", "password": PASSWORD, "csrf": csrf}
    assert client.post("/login", params={"next": wanted}, data=form).headers["location"] == "/"


def test_the_cookie_is_out_of_the_reach_of_scripts_and_secure_where_it_can_be(database: Database) -> None:
    with served(database) as client:
        cookie = log_in(client).headers.get_list("set-cookie")[0]
        assert cookie.startswith(f"{COOKIE}=")
        assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
    with served(database, "10.0.0.5", proxies=("10.0.0.5",)) as client:
        client.headers["X-Forwarded-Proto"] = "https"
        csrf = re.search(r'value="([^"]+)"', client.get("/login").text)
        assert csrf
        client.headers["Cookie"] = f"hakobu-login={csrf[1]}"
        answer = client.post("/login", data={"name": "ada", "password": PASSWORD, "csrf": csrf[1]})
        assert "Secure" in answer.headers.get_list("set-cookie")[0]


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", PASSWORD), ("ada' --", "x"), ("", "")])
def test_a_wrong_name_or_password_is_told_apart_by_nothing(client: TestClient, name: str, password: str) -> None:
    answer = log_in(client, name, password)
    assert answer.status_code == 401
    assert "This name and password do not belong together." in answer.text
    assert COOKIE not in client.cookies


def test_html_in_a_name_stays_text(client: TestClient) -> None:
    text = log_in(client, '"><script>alert(1)</script>').text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_log_in_without_the_token_of_its_form_is_refused(client: TestClient) -> None:
    for csrf in ("", "x" * 43):
        assert log_in(client, csrf=csrf).status_code == 403
    client.cookies.clear()
    assert client.post("/login", data={"name": "ada", "password": PASSWORD}).status_code == 403


def test_no_form_is_read_that_is_larger_than_any(client: TestClient) -> None:
    form = {"name": "ada", "password": "x" * (1 << 20), "csrf": "x"}
    assert client.post("/login", data=form).status_code == 413
    log_in(client)
    assert client.post("/change", data={"what": "x" * (1 << 20)}).status_code in (400, 413)
    without_length = iter([b"what=", *[b"x" * (1 << 16)] * 4])
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/change", content=without_length, headers=kind).status_code in (400, 413)


def test_a_form_that_breaks_off_is_no_fault_of_the_hub(client: TestClient) -> None:
    coming = iter([{"type": "http.request", "body": b"name=a", "more_body": True}, {"type": "http.disconnect"}])
    answered: list[Any] = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        answered.append(message)

    kind = [(b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": kind}
    asyncio.run(client.app(scope, receive, send))  # type: ignore[arg-type]
    assert answered[0]["status"] == 400


def test_a_form_without_its_token_changes_nothing(client: TestClient) -> None:
    log_in(client)
    token = client.get("/who").json()["csrf"]
    assert client.post("/change", data={"what": "x"}).status_code == 403
    assert client.post("/change", data={"what": "x", "csrf": token[::-1]}).status_code == 403
    assert client.post("/change", data={"what": "x", "csrf": token}).json() == "ada x"


def test_a_viewer_looks_and_changes_nothing(client: TestClient) -> None:
    log_in(client, "bob")
    token = client.get("/who").json()["csrf"]
    answer = client.post("/change", data={"what": "x", "csrf": token})
    assert answer.status_code == 403
    assert "bob may look, but not change anything" in answer.text


def test_after_the_log_out_the_cookie_opens_nothing(client: TestClient) -> None:
    log_in(client)
    cookie, token = client.cookies[COOKIE], client.get("/who").json()["csrf"]
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", data={"csrf": token}).headers["location"] == "/login"
    client.cookies.set(COOKIE, cookie)
    assert client.get("/who").status_code == 303


def test_a_session_ends(database: Database) -> None:
    now = [NOW]
    with served(database, clock=lambda: now[0]) as client:
        give_pages(client.app)  # type: ignore[arg-type]
        log_in(client)
        for _ in range(3):  # used, it goes on
            now[0] += timedelta(hours=11)
            assert client.get("/who").status_code == 200
        now[0] += timedelta(hours=13)
        assert client.get("/who").status_code == 303


def test_a_new_password_logs_out(client: TestClient, database: Database) -> None:
    log_in(client)
    with database.begin() as connection:
        set_password(connection, "ada", "another long one", CHEAP)
    assert client.get("/who").status_code == 303


def test_guessing_passwords_is_slowed_down_and_costs_nobody_else(client: TestClient) -> None:
    found = [log_in(client, "ada", f"guess {number}").status_code for number in range(12)]
    assert found == [401] * 10 + [429] * 2
    assert log_in(client, "ada").status_code == 429
    assert log_in(client, "bob").status_code == 303
    other = TestClient(client.app, "http://hub.test", client=("192.0.2.8", 1), follow_redirects=False)
    assert log_in(other, "ada").status_code == 303


def test_what_was_tried_is_in_the_log_without_what_was_typed(database: Database, tmp_path: Path) -> None:
    with served(database, events=tmp_path / "events") as client:
        log_in(client, "hunter2-typed-into-the-wrong-field", "secret-password")
        log_in(client)
    lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["started", "login-failed", "login", "stopped"]
    assert lines[1]["address"] == "192.0.2.7"
    assert not re.search(f"hunter2|secret|{PASSWORD}", str(lines))


def test_before_there_is_an_account_the_page_says_which_command_makes_one(sqlite: Database) -> None:
    with served(sqlite) as client:
        assert "hakobu hub user add NAME --operator" in client.get("/login").text
        log_in(client)


def test_with_accounts_it_does_not(client: TestClient) -> None:
    assert "user add" not in client.get("/login").text


def test_the_page_runs_and_fetches_nothing_that_is_not_ours(client: TestClient) -> None:
    answer = client.get("/login")
    policy = answer.headers["content-security-policy"]
    assert {"script-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script>|<style|style=|\son\w+=|(src|href)=\"(?!/|#|\?)", answer.text)


# --- behind a proxy that logs people in ---


@pytest.fixture
def proxied(database: Database) -> Iterator[TestClient]:
    with served(database, "10.0.0.5", proxy_header="X-Remote-User", proxies=("10.0.0.0/28",)) as client:
        give_pages(client.app)  # type: ignore[arg-type]
        yield client


def test_the_header_of_a_trusted_proxy_says_who_it_is(proxied: TestClient) -> None:
    as_ada, as_eve = {"X-Remote-User": "ada"}, {"X-Remote-User": "eve"}
    found = proxied.get("/who", headers={**as_ada, "X-Forwarded-For": "203.0.113.9"}).json()
    assert (found["name"], found["operator"]) == ("ada", True)
    assert proxied.get("/who", headers=as_eve).json()["operator"] is False
    assert proxied.get("/who", headers={b"X-Remote-User": "愛".encode()}).json()["name"] == "愛"
    form = {"what": "x", "csrf": found["csrf"]}
    assert proxied.post("/change", data=form, headers=as_ada).json() == "ada x"
    assert proxied.post("/change", data={"what": "x"}, headers=as_ada).status_code == 403
    assert proxied.post("/change", data=form, headers=as_eve).status_code == 403


def test_the_header_of_anybody_else_says_nothing(proxied: TestClient) -> None:
    for address in ("203.0.113.9", "10.0.0.16", "testclient", "::1"):
        other = TestClient(proxied.app, "http://hub.test", client=(address, 1), follow_redirects=False)
        headers = {"X-Remote-User": "ada", "X-Forwarded-For": "10.0.0.5"}
        assert other.get("/who", headers=headers).status_code == 303
    assert proxied.get("/who").status_code == 303
    twice = [("X-Remote-User", "ada"), ("X-Remote-User", "eve")]  # a proxy that added its own to what a client sent
    assert proxied.get("/who", headers=twice).status_code == 303
    assert "it sends no X-Remote-User" in proxied.get("/login").text
    assert proxied.post("/login", data={"name": "ada", "password": PASSWORD}).status_code == 403


def test_without_being_asked_for_the_header_says_nothing(database: Database) -> None:
    with served(database, "10.0.0.5", proxies=("10.0.0.5",)) as client:
        give_pages(client.app)  # type: ignore[arg-type]
        assert client.get("/who", headers={"X-Remote-User": "ada"}).status_code == 303


def test_a_header_needs_a_proxy_and_a_proxy_an_address(database: Database) -> None:
    with pytest.raises(UsageError, match="name its address with --trusted-proxy"):
        settings_of(database, proxy_header="X-Remote-User")
    with pytest.raises(UsageError, match=r"'proxy\.local' is no address"):
        settings_of(database, proxies=("proxy.local",))
