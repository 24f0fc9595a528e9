"""The pipelines that `hakobu ci` writes: valid by their hosts' schemas and linters, and careful with secrets.

That their steps do what they say is shown by tests/journey/test_pipelines.py, which runs them.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from hakobu import __version__
from hakobu.cli.main import main
from hakobu.kit.target import SYSTEMS
from hakobu.scaffold.ci import FILES

SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
STEPS = "ci/steps.sh"


def ci(host: str, folder: Path) -> Result:
    return CliRunner().invoke(main, ["ci", host, "-o", str(folder)])


@pytest.fixture
def home(project: Path, tmp_path: Path) -> Path:
    """A project that nothing was built in yet."""
    ignored = shutil.ignore_patterns("dist", "keys", "runs.sqlite*", "reports", "__pycache__")
    return Path(shutil.copytree(project, tmp_path / "home", ignore=ignored))


def _tool(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name(name)), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("host", SCHEMAS)
def test_a_pipeline_is_one_by_the_hosts_own_schema(host: str, home: Path) -> None:
    assert ci(host, home).exit_code == 0
    flows = [home / place for place in FILES[host] if place.endswith(".yml")]
    done = _tool("check-jsonschema", "--builtin-schema", SCHEMAS[host], *flows)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_pass_the_auditor_of_workflows(home: Path) -> None:
    ci("github", home)
    rules = home / "zizmor.yml"
    # A template that pins by hash would be out of date on the day that it is written out.
    rules.write_text('rules: {unpinned-uses: {config: {policies: {"*": ref-pin}}}}\n')
    flows = sorted((home / ".github" / "workflows").iterdir())
    done = _tool("zizmor", "--offline", "--no-progress", "--config", rules, *flows)
    assert done.returncode == 0, done.stdout + done.stderr
    flows[-1].write_text(flows[-1].read_text().replace("bash ci/steps.sh build", "echo ${{ inputs.reason }}"))
    assert "template-injection" in _tool("zizmor", "--offline", "--config", rules, flows[-1]).stdout


def test_the_steps_pass_the_linter_of_shells(home: Path) -> None:
    ci("gocd", home)
    done = _tool("shellcheck", home / STEPS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("host", ["github", "gitlab", "gocd"])
def test_every_step_that_a_pipeline_names_is_there(host: str, home: Path) -> None:
    assert ci(host, home).exit_code == 0
    known = set(re.findall(r"(?m)^(\w+)\(\) \{", (home / STEPS).read_text()))
    named = set()
    for place in FILES[host]:
        named |= set(re.findall(r"ci/steps\.sh,? (\w+)", (home / place).read_text()))
    assert {"install", "drift", "build", "publish", "steer"} <= named
    assert named - {"STEP"} <= known
    told = (home / STEPS).read_text()
    assert f'"hakobu=={__version__}"' in told
    assert "@" not in re.sub(r"user@server|\[@\]|\$@|hakobu@localhost", "", told)
    assert "click==" in (home / "ci" / "constraints.txt").read_text()


@pytest.mark.parametrize("host", ["github", "gitlab", "gocd"])
def test_secrets_come_from_the_hosts_store(host: str, home: Path) -> None:
    """Each variable that holds a secret is set from a reference, or not at all and comes from the settings."""
    ci(host, home)
    places = [place for place in FILES[host] if place.endswith((".yml", ".yaml"))]
    text = "\n".join((home / place).read_text() for place in places)
    set_here = re.findall(r"(?m)^\s*(RELEASE_KEY|DEPOT_KEYS|SSH_KEY|\w+_PASSPHRASE): (.*)$", text)
    assert bool(set_here) == (host != "gitlab")
    for name, value in set_here:
        words = name.lower().replace("_", "-")
        assert value in (f"${{{{ secrets.{name} }}}}", f'"{{{{SECRET:[hakobu][{words}]}}}}"')
    assert "set -x" not in (home / STEPS).read_text()


def test_a_workflow_of_programs_needs_no_secret(home: Path) -> None:
    ci("github", home)
    text = (home / ".github/workflows/freeze.yml").read_text()
    assert "secrets." not in text
    assert "release/*.hako" in text
    assert [name for name in SYSTEMS if f"name: {name}," not in text] == []


def test_gocd_takes_the_file(home: Path) -> None:
    """There is no schema for it: this holds the file against what GoCD's plugin documents, strictly."""
    assert ci("gocd", home).exit_code == 0
    flow = yaml.safe_load((home / "train.gocd.yaml").read_text())
    assert set(flow) == {"format_version", "common", "pipelines"}
    assert list(flow["pipelines"]) == ["machines-train", "machines-weekly", "machines-drift"]
    for pipeline in flow["pipelines"].values():
        known = {"group", "lock_behavior", "environment_variables", "materials", "timer", "stages"}
        assert set(pipeline) - {"timer"} == known - {"timer"}
        assert pipeline["lock_behavior"] == "unlockWhenFinished"
        assert re.fullmatch(r"\w+", pipeline["group"])
        made: set[str] = set()
        for stage in pipeline["stages"]:
            ((title, told),) = stage.items()
            assert set(told) <= {"approval", "clean_workspace", "environment_variables", "jobs"}
            for name, job in told["jobs"].items():
                assert set(job) <= {"resources", "artifacts", "tasks"}
                for task in job["tasks"]:
                    ((kind, words),) = task.items()
                    assert set(words) == {"exec": {"command", "arguments"}, "fetch": {"stage", "job", "source"}}[kind]
                    if kind == "fetch":
                        assert f"{words['stage']}/{words['job']}/{words['source']}" in made
                made |= {f"{title}/{name}/{one['build']['source']}" for one in job.get("artifacts", ())}
        # Only releasers promote; and what a timer starts is not started by a push.
        assert pipeline["stages"][-1]["promote"]["approval"] == {"type": "manual", "roles": ["releasers"]}
        first = next(iter(pipeline["stages"][0].values()))
        assert ("timer" in pipeline) == (first.get("approval") == {"type": "manual"})


_STAGE = {"cmd", "deps", "params", "outs", "metrics", "plots", "wdir", "frozen", "always_changed", "desc", "meta"}
"""What a stage of a dvc.yaml may say (https://dvc.org/doc/user-guide/project-structure/dvcyaml-files)."""


def dvc_faults(told: dict[str, Any]) -> list[str]:
    """Return what DVC would not take, as far as its files say what exists."""
    found = [f"unknown {name}" for name in told.keys() - {"stages", "params", "metrics", "plots", "artifacts", "vars"}]
    for name, stage in told["stages"].items():
        found += [f"unknown {name}.{key}" for key in stage.keys() - _STAGE]
        if not isinstance(stage.get("cmd"), str | list):
            found.append(f"{name} has no cmd")
        outs = [out if isinstance(out, str) else next(iter(out)) for out in stage.get("outs", ())]
        found += [f"{name} makes what it needs: {out}" for out in outs if out in stage.get("deps", ())]
    return found


def test_a_dvc_yaml_says_what_dvc_knows(home: Path) -> None:
    assert ci("dvc", home).exit_code == 0
    told = yaml.safe_load((home / "dvc.yaml").read_text())
    assert dvc_faults(told) == []
    assert told["stages"]["build"]["deps"] == ["data.csv", "pipeline.py", "hakobu.toml"]
    told["stages"]["build"]["out"] = told["stages"]["build"].pop("outs")
    assert dvc_faults(told) == ["unknown build.out"]


@pytest.mark.skipif(shutil.which("dvc") is None, reason="dvc is not on PATH: its 60 packages are no part of the tests")
def test_dvc_repro_builds(home: Path) -> None:
    ci("dvc", home)
    for command in ("hakobu keys new --no-passphrase", "git init -q", "dvc init -q", "dvc add -q data.csv"):
        subprocess.run(command.split(), cwd=home, check=True)
    subprocess.run(["dvc", "repro"], cwd=home, check=True)
    shown = subprocess.run(["dvc", "metrics", "show", "--json"], cwd=home, capture_output=True, check=True).stdout
    assert json.loads(shown)[""]["data"]["reports/build.json"]["data"]["metrics"]["roc_auc"]["holdout"] > 0.5


def test_two_hosts_share_their_steps(home: Path) -> None:
    assert ci("github", home).exit_code == 0
    assert ci("gocd", home).exit_code == 0


@pytest.mark.parametrize("host", FILES)
def test_a_pipeline_that_is_there_is_not_replaced(host: str, home: Path) -> None:
    path = home / list(FILES[host])[-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    ended = ci(host, home)
    assert ended.exit_code == 2
    assert "is there already" in ended.stderr
    assert path.read_text() == "mine"
    assert not any((home / place).exists() for place in list(FILES[host])[:-1])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert ci("github", tmp_path / "none").exit_code == 2


def test_what_asks_for_a_project_says_so(tmp_path: Path) -> None:
    ended = ci("dvc", tmp_path)
    assert ended.exit_code == 9
    assert "hakobu.toml" in ended.stderr


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / ".github").write_text("a file")
    ended = ci("github", tmp_path)
    assert ended.exit_code == 9
    assert "cannot be written" in ended.stderr
