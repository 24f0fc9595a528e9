"""`hakobu demo`: the whole story on real flights, in under two minutes."""

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from hakobu.keys import new_key_pair, read_private_key
from hakobu.pack.build import STAGES, build
from hakobu.project import read_project
from hakobu.report.gates import gate_table
from hakobu.report.picture import draw_drift
from hakobu.scaffold.new import new_from_template
from hakobu_runtime.bundle import Bundle
from hakobu_runtime.device.drift import device_drift
from hakobu_runtime.device.slots import open_active
from hakobu_runtime.device.state import State, open_state
from hakobu_runtime.errors import FINDING, ToolError
from hakobu_runtime.format.tally import ModelName
from hakobu_runtime.format.window import Span
from hakobu_runtime.journal import Journal

PASSPHRASE = "demo"  # noqa: S105  the key of a demonstration, made afresh each time and said aloud

STEPS = len(STAGES) + 7


def demo(folder: Path, step: Callable[[str], None]) -> Iterator[str]:
    """Make, build, install, score and watch the flights model in `folder`; yield what to print, as it happens."""
    step("a project")
    new_from_template(folder, "flights")
    yield f"1. A project: {folder} (hakobu.toml, pipeline.py, real flights of 2013)"
    private = folder / "keys" / "release.pem"
    public = new_key_pair(private, "P-256", PASSPHRASE.encode())
    yield f"   A release key: {private} (passphrase '{PASSPHRASE}'), identity {public.identity[:16]}…"
    built = build(read_project(folder), read_private_key(private, PASSPHRASE.encode()), step)
    if built.path is None:
        raise ToolError(f"the demonstration's own gates failed:\n{gate_table(built)}")
    yield f"\n2. The bundle, from January to March:\n\n{gate_table(built)}"
    device = Device(folder / "device")
    step("the device")
    yield "\n3. The device: a folder, and nothing but the runtime.\n"
    for arguments in (("trust", "add", str(private.with_suffix(".pub"))), ("install", str(built.path))):
        yield f"   {device.run(*arguments)}"
    yield from _score(folder, device, step)
    step("drift")
    state = open_state(device.folder)
    bundle = open_active(state)
    yield "\n6. Drift by month, judged on the device, from its counts alone (a full bar is a PSI* of 1 or more):\n"
    yield device.run("drift", finding=True)
    step("a picture")
    yield f"\n7. A picture: {_picture(folder, state, bundle)}"
    yield f"\nEach step by hand, in an empty folder:\n\n{_by_hand(folder)}"


def _score(folder: Path, device: "Device", step: Callable[[str], None]) -> Iterator[str]:
    (folder / "scored").mkdir()
    verdicts: Counter[str] = Counter()
    examples: list[str] = []
    seen: set[str] = set()
    for month in sorted((folder / "live").glob("*.parquet")):
        step(f"score {month.stem}")
        output = folder / "scored" / f"{month.stem}.csv"
        summary = json.loads(device.run("score", str(month), "-o", str(output), "--json"))
        verdicts.update(summary["verdicts"])
        for example in summary["examples"]:
            kind = example["reason"].partition(" =")[0] + example["reason"].rpartition("(policy")[2]
            if kind not in seen:
                seen.add(kind)
                examples.append(f"{month.name} row {example['row']}: {example['reason']}")
    rows = sum(verdicts.values())
    yield f"\n4. April to July, {rows:,} flights scored offline:\n"
    yield "\n".join(f"   {word:<9}{count:>7,}  {count / rows:6.1%}" for word, count in verdicts.items())
    yield "\n5. Three cells that were not as promised, in the device's own words:\n"
    yield "\n".join(f"   {example}" for example in _varied(examples))


def _varied(examples: list[str]) -> list[str]:
    """Return three examples, of as many policies as there are."""
    by_policy: dict[str, list[str]] = {}
    for example in examples:
        by_policy.setdefault(example.rpartition("policy: ")[2][:4], []).append(example)
    first = [found[0] for found in by_policy.values()]
    return (first + [example for example in examples if example not in first])[:3]


def _picture(folder: Path, state: State, bundle: Bundle) -> Path:
    """Draw the feature that drifted most over the whole time, and return the picture's path."""
    manifest = bundle.manifest
    with Journal.open(state.journal) as journal:
        periods = device_drift(bundle, journal, Span.MONTH)
        live = journal.total(ModelName(manifest.name, manifest.version, bundle.digest))
    features = {feature.name: feature for feature in manifest.features}
    findings = [finding for period in periods for finding in period.findings if finding.name in features]
    worst = max(findings, key=lambda finding: finding.debiased)
    path = folder / "drift.png"
    title = f"{worst.name}: training (January to March 2013) against live ({periods[0].start} to {periods[-1].start})"
    draw_drift(features[worst.name], live.features[worst.name], path, title)
    return path


def _by_hand(folder: Path) -> str:
    name = shlex.quote(folder.name + "-by-hand")
    lines = [
        f"hakobu new {name} --template flights",
        f"cd {name}",
        f"export HAKOBU_KEY_PASSPHRASE={PASSPHRASE} HAKOBU_STATE=device",
        "hakobu keys new",
        "hakobu build",
        "hakobu inspect dist/late-flights-1.0.0.hako",
        "hakobu-run trust add keys/release.pub",
        "hakobu-run install dist/late-flights-1.0.0.hako",
        "mkdir scored",
        "for m in 04 05 06 07; do hakobu-run score live/2013-$m.parquet -o scored/2013-$m.csv; done",
        "hakobu-run status",
        "hakobu-run drift",
    ]
    return "\n".join(f"   {line}" for line in lines)


class Device:
    """A device of its own: each command is a fresh process that knows nothing but the runtime."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, finding: bool = False) -> str:
        """Run one command of `hakobu-run` and return what it printed; a finding (exit 3) may be asked for."""
        command = [sys.executable, "-m", "hakobu_runtime", "--state", str(self.folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=_environment())
        if done.returncode not in ((0, FINDING) if finding else (0,)):
            raise ToolError(f"hakobu-run {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout.rstrip()


def _environment() -> dict[str, str]:
    """Return the environment of the device: ours, but always UTF-8."""
    return os.environ | {"PYTHONUTF8": "1"}
