"""The pipelines of three hosts, read as the jobs that a runner would run; only what `hakobu ci` writes is known."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ALARM = "needs.drift.outputs.alarm"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_SECRET = re.compile(r"\{\{SECRET:\[hakobu\]\[([a-z-]+)\]\}\}")


@dataclass(frozen=True)
class Job:
    """What one job runs, in order, with which variables, and what it leaves for the next ones."""

    runs: tuple[str, ...]
    variables: Mapping[str, str]
    keeps: tuple[str, ...]


def github(folder: Path, settings: Mapping[str, str]) -> dict[str, Job]:
    """Return the jobs of train.yml and steer.yml; an expression that is not known is an error of this test."""
    jobs = {}
    for name in ("train", "steer"):
        flow = yaml.safe_load((folder / f".github/workflows/{name}.yml").read_text())
        for title, job in flow["jobs"].items():
            variables = dict(flow.get("env", {}))
            for step in job["steps"]:
                variables |= step.get("env", {})
            kept = [step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")]
            filled = {
                key: _EXPRESSION.sub(lambda m: _known(m[1], settings), str(said)) for key, said in variables.items()
            }
            runs = tuple(step["run"] for step in job["steps"] if "run" in step)
            jobs[title] = Job(runs, filled, tuple("\n".join(kept).split()))
    return jobs


def _known(expression: str, settings: Mapping[str, str]) -> str:
    plain = re.fullmatch(r"(?:secrets|vars)\.(\w+)", expression)
    if plain:
        return settings[plain[1]]
    told = {"inputs.what": "promote", "inputs.percent": "10"}
    if expression.startswith("inputs.reason ||"):
        return "drift alarm"
    if expression.startswith("github.event_name == 'schedule'"):
        return "yes"
    return told[expression]


def gitlab(folder: Path, settings: Mapping[str, str]) -> dict[str, Job]:
    """Return the jobs of the pipeline of a schedule; variables of the settings reach every job."""
    flow = yaml.safe_load((folder / ".gitlab-ci.yml").read_text())
    jobs = {}
    for title in ("drift", "build", "publish", "promote"):
        job = _extended(flow, title)
        rule = next(rule for rule in job["rules"] if "schedule" in rule["if"])
        variables = {**settings, **rule.get("variables", {}), **job.get("variables", {})}
        variables["GIT_REMOTE"] = "origin"
        runs = [line for line in (*job["before_script"], *job["script"]) if not line.startswith("apt-get")]
        jobs[title] = Job(tuple(runs), variables, tuple(job.get("artifacts", {}).get("paths", ())))
    return {"steer" if title == "promote" else title: job for title, job in jobs.items()}


def _extended(flow: Mapping[str, Any], title: str) -> dict[str, Any]:
    job = flow[title]
    return {**_extended(flow, job["extends"]), **job} if "extends" in job else dict(job)


def gocd(folder: Path, settings: Mapping[str, str]) -> dict[str, Job]:
    """Return the stages of the pipeline that looks for drift, each of one job."""
    flow = yaml.safe_load((folder / "train.gocd.yaml").read_text())
    pipeline = next(found for name, found in flow["pipelines"].items() if name.endswith("-drift"))
    jobs = {}
    for stage in pipeline["stages"]:
        ((title, told),) = stage.items()
        (job,) = told["jobs"].values()
        variables = {**pipeline["environment_variables"], **told.get("environment_variables", {})}
        filled = {key: _SECRET.sub(lambda m: settings[_name(m[1])], said) for key, said in variables.items()}
        runs = [
            " ".join([task["exec"]["command"], *task["exec"]["arguments"]]) for task in job["tasks"] if "exec" in task
        ]
        kept = tuple(artifact["build"]["source"] for artifact in job.get("artifacts", ()))
        jobs["steer" if title == "promote" else title] = Job(tuple(runs), filled, kept)
    return jobs


def _name(secret: str) -> str:
    return secret.replace("-", "_").upper()


READERS = {"github": github, "gitlab": gitlab, "gocd": gocd}
