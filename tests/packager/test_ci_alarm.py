"""From an alarm of the hub to a build: what the pipelines ask the hub, and how the hub starts them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from hakobu.cli.at_hub import Hub
from hakobu.cli.main import main
from hakobu.hub.alarms import find, snooze
from hakobu.hub.hooks import message
from hakobu.hub.tables import alarms

NOW = datetime.now(UTC)
SECRETS = {
    "GITHUB_REPOSITORY": "somebody/machines",
    "GITHUB_TOKEN": "a-token-of-github",
    "GITLAB_PROJECT": "team/machines",
    "GITLAB_TRIGGER_TOKEN": "a-token-of-gitlab",
    "GOCD_PIPELINE": "machines-weekly",
    "GOCD_TOKEN": "a-token-of-gocd",
}


class Host(ThreadingHTTPServer):
    """Takes whatever is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Take)
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.status = 204

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Take(BaseHTTPRequestHandler):
    server: Host

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.status)
        self.send_header("Location", f"{self.server.address}/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def home(project: Path, tmp_path: Path) -> Path:
    """The project, with its pipelines."""
    ignored = shutil.ignore_patterns("dist", "keys", "runs.sqlite*", "reports", "__pycache__")
    folder = Path(shutil.copytree(project, tmp_path / "home", ignore=ignored))
    assert CliRunner().invoke(main, ["ci", "github", "-o", str(folder)]).exit_code == 0
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    found = Hub(tmp_path / "hub", None)
    found.begun()
    return found


def ring(hub: Hub, kind: str = "drift", words: str = "load has drifted: 9 % of rows are above 60.8") -> bytes:
    """Open an alarm at the hub, and return what hooks are told of it."""
    values = {"model": "machines", "version": "1.2.3", "kind": kind, "subject": "load", "group_name": "gates",
              "device": "", "period": "2026-11-19", "words": words, "opened": NOW, "seen": NOW}  # fmt: skip
    with hub.database().begin() as connection:
        number = connection.execute(insert(alarms).values(**values).returning(alarms.c.id)).scalar_one()
        alarm = find(connection, number)
        assert alarm is not None
        return message(alarm)


def start(home: Path, name: str, told: bytes, host: Host, **more: str) -> subprocess.CompletedProcess[str]:
    """Run what the hub runs on an alarm."""
    addresses = {f"{one}_URL": host.address for one in ("GITHUB_API", "GITLAB", "GOCD")}
    return subprocess.run(
        [sys.executable, home / "ci" / "alarm.py", name],
        input=told.decode(), env={"PATH": os.environ["PATH"], **SECRETS, **addresses, **more},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


REASON = "alarm 1: machines 1.2.3, group gates, 2026-11-19: load has drifted: 9 % of rows are above 60.8"


def test_github_is_asked_for_its_own_event(home: Path, hub: Hub, host: Host) -> None:
    ended = start(home, "github", ring(hub), host)
    assert (ended.returncode, ended.stdout) == (0, "alarm 1 starts a build: github answers 204\n"), ended.stderr
    ((path, headers, body),) = host.got
    assert path == "/repos/somebody/machines/dispatches"
    assert headers["authorization"] == "Bearer a-token-of-github"
    said = json.loads(body)
    assert said == {"event_type": "hakobu-alarm", "client_payload": {"reason": REASON}}
    flow = (home / ".github/workflows/train.yml").read_text()
    assert f"types: [{said['event_type']}]" in flow
    assert "github.event.client_payload.reason" in flow


def test_gitlab_gets_its_trigger_with_a_reason(home: Path, hub: Hub, host: Host) -> None:
    host.status = 201
    assert start(home, "gitlab", ring(hub), host).returncode == 0
    ((path, _, body),) = host.got
    assert path == "/api/v4/projects/team%2Fmachines/trigger/pipeline"
    assert parse_qs(body) == {"token": ["a-token-of-gitlab"], "ref": ["main"], "variables[REASON]": [REASON]}


def test_gocd_is_asked_to_schedule_the_pipeline(home: Path, hub: Hub, host: Host) -> None:
    host.status = 202
    assert start(home, "gocd", ring(hub), host).returncode == 0
    ((path, headers, body),) = host.got
    assert path == "/go/api/pipelines/machines-weekly/schedule"
    assert headers["authorization"] == "Bearer a-token-of-gocd"
    assert headers["accept"] == "application/vnd.go.cd.v1+json"
    assert json.loads(body)["environment_variables"] == [{"name": "REASON", "value": REASON}]


def test_an_odd_device_and_another_model_start_nothing(home: Path, hub: Hub, host: Host) -> None:
    assert "starts no build" in start(home, "github", ring(hub, kind="device"), host).stdout
    assert "starts no build" in start(home, "github", ring(hub), host, MODEL="flights").stdout
    assert host.got == []


@pytest.mark.parametrize("status", [401, 302, 500])
def test_what_the_host_refuses_fails_so_that_the_hub_tries_again(home: Path, hub: Hub, host: Host, status: int) -> None:
    host.status = status
    ended = start(home, "gitlab", ring(hub), host)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"alarm.py: gitlab answers {status}")
    assert "a-token" not in ended.stderr
    assert len(host.got) == 1  # the token is taken nowhere else


def test_what_is_not_set_is_named(home: Path, hub: Hub, host: Host) -> None:
    told = ring(hub)
    ended = start(home, "github", told, host, GITHUB_TOKEN="")
    assert (ended.returncode, ended.stderr) == (1, "alarm.py: GITHUB_TOKEN is not set\n")
    ended = start(home, "github", told, host, GITHUB_API_URL="http://127.0.0.1:9")
    assert "github cannot be reached" in ended.stderr


def _drift(home: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the step `drift` with the hub in `folder`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "ci/steps.sh", "drift"],
        cwd=home,
        env={"PATH": path, "HOME": str(home), "HUB_DATABASE": f"sqlite:///{folder}/hub.sqlite"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_step_that_looks_for_drift_asks_the_hub(home: Path, hub: Hub) -> None:
    ring(hub)
    ring(hub, kind="device")
    with hub.database().begin() as connection:
        snooze(connection, 1, NOW + timedelta(days=1))
    ended = _drift(home, hub.folder)
    assert ended.returncode == 0, ended.stderr
    assert "snoozed until" in ended.stdout
    assert ended.stdout.endswith("ALARM=no\n")
    ring(hub, kind="outcome")
    ended = _drift(home, hub.folder)
    assert ended.returncode == 0, ended.stderr
    assert (home / "reports" / "drift.env").read_text() == "ALARM=yes\n"


def test_a_hub_that_cannot_be_asked_fails_the_step(home: Path, tmp_path: Path) -> None:
    ended = _drift(home, tmp_path / "none")
    assert ended.returncode == 8
    assert not (home / "reports" / "drift.env").exists()
