"""Who is told of alarms: a real web server that does wrong, real programs, and a hub that is killed meanwhile."""

import hmac
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from sqlalchemy import insert, select

from hakobu.hub.alarms import close, find, snooze
from hakobu.hub.database import Database
from hakobu.hub.hook_program import Program
from hakobu.hub.hook_web import Webhook
from hakobu.hub.hooks import Hooks, message, tell
from hakobu.hub.tables import alarms, tellings
from hakobu_runtime.errors import TransferError, UsageError

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


class Receiver(ThreadingHTTPServer):
    """Takes what is posted to it, and answers as it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked, self.go = Event(), Event()
        self.go.set()
        self.before: Callable[[_Post], None] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/secret-path"

    @property
    def told(self) -> list[int]:
        """The numbers of the alarms that came, in order."""
        return [json.loads(body)["id"] for _, body in self.got]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away."""


class _Post(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.server.asked.set()
        self.server.go.wait()
        if self.server.before is not None:
            self.server.before(self)
        self.send_response(self.server.status)
        for name, value in {**self.server.headers, "Content-Length": "2"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.go.set()
        server.shutdown()
        thread.join()


def ring(database: Database, **changed: Any) -> int:
    """Open an alarm, and return its number."""
    values = {
        "model": "tiny", "version": "1.0.0", "kind": "drift", "subject": "temp", "group_name": "", "device": "",
        "period": "2026-11-19", "words": "temp has drifted", "opened": NOW, "seen": NOW,
    }  # fmt: skip
    with database.begin() as connection:
        return int(connection.execute(insert(alarms).values(**values | changed).returning(alarms.c.id)).scalar_one())


def told(database: Database, number: int) -> datetime | None:
    with database.read() as connection:
        alarm = find(connection, number)
        assert alarm is not None
        return alarm.told


def test_each_alarm_is_told_once(database: Database, receiver: Receiver) -> None:
    first, second = ring(database), ring(database, subject="load")
    hooks = Hooks((receiver.address,))
    assert [telling.worked for telling in tell(database, hooks, NOW)] == [True, True]
    assert receiver.told == [first, second]
    assert tell(database, hooks, LATER) == ()
    assert (told(database, first), told(database, second)) == (NOW, NOW)


def test_the_message_is_json_with_a_text_that_cannot_call_everybody(database: Database, receiver: Receiver) -> None:
    ring(database, group_name="<!channel> & co")
    tell(database, Hooks((receiver.address,), secret=b"between us"), NOW)
    ((headers, body),) = receiver.got
    said = json.loads(body)
    assert said["schema"] == "hakobu.alarm/1"
    assert said["text"] == "tiny 1.0.0, group &lt;!channel&gt; &amp; co, 2026-11-19: temp has drifted"
    assert (said["group"], said["kind"], said["opened"]) == ("<!channel> & co", "drift", NOW.isoformat())
    assert headers["content-type"] == "application/json"
    assert headers["hakobu-signature"] == f"sha256={hmac.new(b'between us', body, sha256).hexdigest()}"


def test_without_a_secret_nothing_is_signed(database: Database, receiver: Receiver) -> None:
    ring(database)
    tell(database, Hooks((receiver.address,)), NOW)
    assert "hakobu-signature" not in receiver.got[0][0]


@pytest.mark.parametrize(("status", "words"), [(500, "answers 500"), (404, "answers 404"), (302, "it has moved")])
def test_what_is_not_taken_is_tried_again_ever_later(
    database: Database, receiver: Receiver, status: int, words: str
) -> None:
    number = ring(database)
    receiver.status, receiver.headers = status, {"Location": f"{receiver.address}/elsewhere"}
    hooks = Hooks((receiver.address,))
    tries = []
    for minute in (0, 1, 2, 5, 6, 13, 14, 29, 30, 61, 62, 125):
        moment = NOW + timedelta(minutes=minute)
        for telling in tell(database, hooks, moment):
            assert not telling.worked
            assert words in telling.words
            assert "secret-path" not in telling.words + telling.hook
            tries.append(minute)
    assert tries == [0, 2, 6, 14, 30, 62]
    assert len(receiver.got) == len(tries)  # a redirection is not followed
    receiver.status = 204
    tell(database, hooks, NOW + timedelta(days=1))
    assert told(database, number) == NOW + timedelta(days=1)


def test_a_broken_hook_does_not_stop_the_others(database: Database, receiver: Receiver, tmp_path: Path) -> None:
    numbers = [ring(database), ring(database, subject="load")]
    hooks = Hooks(("http://127.0.0.1:9/nobody", receiver.address), (str(tmp_path / "no-such-program"),))
    found = tell(database, hooks, NOW)
    assert [telling.worked for telling in found] == [False, True, True, False]
    assert "nobody answers" in found[0].words
    assert "cannot be run" in found[-1].words
    assert receiver.told == numbers
    tell(database, hooks, LATER)
    assert receiver.told == numbers
    assert told(database, numbers[0]) is None


def test_a_server_that_hangs_costs_no_more_than_the_time_limit(receiver: Receiver) -> None:
    receiver.go.clear()
    with pytest.raises(TransferError, match=r"no answer in 0\.3 s"):
        Webhook(receiver.address, timeout=0.3).tell(b"{}")


def test_a_server_that_answers_a_letter_at_a_time_is_hung_up_on(receiver: Receiver) -> None:
    def drip(answer: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000:
            answer.wfile.write(bytes([letter]))
            answer.wfile.flush()
            time.sleep(0.05)

    receiver.before = drip
    begun = time.monotonic()
    with pytest.raises(TransferError, match="no answer in"):
        Webhook(receiver.address, timeout=0.5).tell(b"{}")
    assert time.monotonic() - begun < 60


def test_a_certificate_that_nobody_vouches_for_is_not_believed(receiver: Receiver, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    with pytest.raises(TransferError, match="its certificate does not hold"):
        Webhook(receiver.address.replace("http:", "https:")).tell(b"{}")
    assert receiver.got == []


@pytest.mark.parametrize("address", ["", "chat.example.org/hook", "ftp://example.org/", "https://", "http://a:b/"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="a webhook must be an address"):
        Hooks((address,))


def test_nobody_is_told_of_what_is_snoozed_or_over(database: Database, receiver: Receiver) -> None:
    quiet, over = ring(database), ring(database, subject="load")
    with database.begin() as connection:
        snooze(connection, quiet, NOW + timedelta(days=7))
        close(connection, over, NOW)
    hooks = Hooks((receiver.address,))
    assert tell(database, hooks, NOW + timedelta(days=6)) == ()
    tell(database, hooks, NOW + timedelta(days=8))
    assert receiver.told == [quiet]


def test_a_hook_that_is_new_hears_of_new_alarms_alone(database: Database, receiver: Receiver) -> None:
    ring(database)
    tell(database, Hooks(command=(sys.executable, "-c", "")), NOW)
    second = ring(database, subject="load")
    tell(database, Hooks((receiver.address,), (sys.executable, "-c", "")), NOW)
    assert receiver.told == [second]


def test_two_that_tell_at_once_tell_each_alarm_once(database: Database, receiver: Receiver) -> None:
    numbers = [ring(database, subject=f"feature {place}") for place in range(5)]
    barrier = Barrier(3)

    def run() -> None:
        barrier.wait()
        tell(database, Hooks((receiver.address,)), NOW)

    threads = [Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receiver.told) == numbers


_KILLED = """
import os, signal, sys
from datetime import datetime
from hakobu.hub.database import open_database
from hakobu.hub.hooks import Hooks, tell
tell(open_database(sys.argv[1]), Hooks((sys.argv[2],)), datetime.fromisoformat(sys.argv[3]))
"""


def test_a_hub_that_is_killed_while_it_tells_tells_it_when_it_runs_again(
    database: Database, receiver: Receiver
) -> None:
    number = ring(database)
    receiver.go.clear()
    url = database.engine.url.render_as_string(hide_password=False)
    hub = subprocess.Popen([sys.executable, "-c", _KILLED, url, receiver.address, NOW.isoformat()])
    try:
        while not receiver.asked.wait(0.05):
            assert hub.poll() is None, "it ended by itself"
    finally:
        hub.send_signal(signal.SIGKILL)
        hub.wait()
    receiver.go.set()
    hooks = Hooks((receiver.address,))
    assert tell(database, hooks, NOW) == ()  # somebody may still be at it
    assert [telling.worked for telling in tell(database, hooks, LATER)] == [True]
    assert receiver.told == [number, number]
    assert told(database, number) == LATER


def test_a_program_reads_the_alarm_and_nothing_of_it_is_an_argument(database: Database, tmp_path: Path) -> None:
    ring(database, device="$(touch owned); `touch owned`")
    script = tmp_path / "script.py"
    script.write_text("import json, sys\nprint(sys.argv[1:], json.load(sys.stdin)['device'])\n")
    (telling,) = tell(database, Hooks(command=(sys.executable, str(script), "$HOME", "a b")), NOW)
    assert telling.worked
    assert telling.words == "['$HOME', 'a b'] $(touch owned); `touch owned`"


def test_a_program_that_fails_is_tried_again_and_its_last_words_are_kept(database: Database, tmp_path: Path) -> None:
    number = ring(database)
    flag = tmp_path / "flag"
    command = (sys.executable, "-c", f"import os; print('x' * 9999, 'the end'); os.stat({str(flag)!r})")
    (telling,) = tell(database, Hooks(command=command), NOW)
    assert not telling.worked
    assert "ended with exit code 1" in telling.words
    assert len(telling.words) < 3000
    with database.read() as connection:
        row = connection.execute(select(tellings)).one()
        assert (row.tries, row.told, len(row.words)) == (1, None, 600)
    flag.touch()
    assert [one.worked for one in tell(database, Hooks(command=command), LATER)] == [True]
    assert told(database, number) == LATER


def test_a_program_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    child = "import time; time.sleep(600)"
    script = f"import os, subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {child!r}]); " \
             f"open({str(pids)!r}, 'w').write(str(p.pid)); time.sleep(600)"  # fmt: skip
    with pytest.raises(TransferError, match="took more than 2 s and was killed"):
        Program((sys.executable, "-c", script), timeout=2).tell(b"{}")
    pid = int(pids.read_text())
    for _ in range(500):
        if not _runs(pid):
            break
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_a_program_may_leave_something_running_and_read_nothing(database: Database) -> None:
    """It holds the output open: that keeps nobody waiting."""
    ring(database, words="long " * 100_000)
    command = (sys.executable, "-c", "import subprocess, sys; subprocess.Popen(['sleep', '20']); print('started')")
    (telling,) = tell(database, Hooks(command=command), NOW)
    assert telling.words == "started"


def test_a_message_names_its_alarm(database: Database) -> None:
    number = ring(database)
    with database.read() as connection:
        alarm = find(connection, number)
        assert alarm is not None
        assert json.loads(message(alarm))["id"] == number
