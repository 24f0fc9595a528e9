#!/usr/bin/env python3
"""Starts a build when a hub says so:  hakobu hub serve --on-alarm 'python3 PATH/ci/alarm.py github|gitlab|gocd'

Reads one alarm (hakobu.alarm/1) from its standard input. An odd device is mended, not learned from: it starts nothing.
Yours to change; it begins as hakobu @VERSION@ wrote it. It needs Python alone, and these variables where the hub runs:

    MODEL    builds for alarms of this model alone; for those of all where it is not set
    github   GITHUB_REPOSITORY (owner/name), GITHUB_TOKEN (may write contents of that repository, nothing else)
    gitlab   GITLAB_PROJECT (its number), GITLAB_TRIGGER_TOKEN, GITLAB_REF (main), GITLAB_URL (https://gitlab.com)
    gocd     GOCD_PIPELINE (like NAME-weekly), GOCD_TOKEN, GOCD_URL (like https://gocd.example.org)
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

SECONDS = 30


def github(reason):
    body = {"event_type": "hakobu-alarm", "client_payload": {"reason": reason}}
    return urllib.request.Request(
        f"{os.environ.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{wanted('GITHUB_REPOSITORY')}/dispatches",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {wanted('GITHUB_TOKEN')}", "Accept": "application/vnd.github+json"},
    )


def gitlab(reason):
    project = urllib.parse.quote(wanted("GITLAB_PROJECT"), safe="")
    body = {
        "token": wanted("GITLAB_TRIGGER_TOKEN"),
        "ref": os.environ.get("GITLAB_REF", "main"),
        "variables[REASON]": reason,
    }
    return urllib.request.Request(
        f"{os.environ.get('GITLAB_URL', 'https://gitlab.com')}/api/v4/projects/{project}/trigger/pipeline",
        urllib.parse.urlencode(body).encode(),
    )


def gocd(reason):
    pipeline = urllib.parse.quote(wanted("GOCD_PIPELINE"), safe="")
    body = {"environment_variables": [{"name": "REASON", "value": reason}], "update_materials_before_scheduling": True}
    return urllib.request.Request(
        f"{wanted('GOCD_URL')}/go/api/pipelines/{pipeline}/schedule",
        json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {wanted('GOCD_TOKEN')}",
            "Accept": "application/vnd.go.cd.v1+json",
            "Content-Type": "application/json",
        },
    )


HOSTS = {"github": github, "gitlab": gitlab, "gocd": gocd}


def wanted(name):
    if not os.environ.get(name):
        sys.exit(f"alarm.py: {name} is not set")
    return os.environ[name]


class Stay(urllib.request.HTTPRedirectHandler):
    """A token is for one address: it is sent nowhere else."""

    def redirect_request(self, *_):
        return None


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in HOSTS:
        sys.exit(f"alarm.py: give one of {', '.join(HOSTS)}")
    alarm = json.load(sys.stdin)
    if alarm["kind"] == "device" or (os.environ.get("MODEL") or alarm["model"]) != alarm["model"]:
        print(f"alarm {alarm['id']} starts no build")
        return
    where = alarm["group"] and f", group {alarm['group']}"
    reason = f"alarm {alarm['id']}: {alarm['model']} {alarm['version']}{where}, {alarm['period']}: {alarm['words']}"
    try:
        with urllib.request.build_opener(Stay).open(HOSTS[arguments[0]](reason[:400]), timeout=SECONDS) as answer:
            print(f"alarm {alarm['id']} starts a build: {arguments[0]} answers {answer.status}")
    except urllib.error.HTTPError as error:
        sys.exit(f"alarm.py: {arguments[0]} answers {error.code} {error.reason}")
    except OSError as error:
        sys.exit(f"alarm.py: {arguments[0]} cannot be reached: {getattr(error, 'reason', error)}")


if __name__ == "__main__":
    main(sys.argv[1:])
