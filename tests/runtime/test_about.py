"""The card of a model says in plain words what it predicts, from what, how well, and who signed it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.cli import main
from hakobu_runtime.console.card import card, meaning, plain
from hakobu_runtime.format.manifest import Metric
from hakobu_runtime.trust import Keyring


def test_the_card_names_all_that_the_model_reads(machines: Bundle) -> None:
    text = card(machines)
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    assert "broke: one of no, yes, with a probability for each" in text
    assert "kg" in lines["load"]
    assert "moved to the nearest limit" in lines["shifts"]
    assert "A, B, C" in lines["line"]
    assert "no score for the row" in lines["line"]
    assert "true or false" in lines["hot"]
    assert "the hour of a date" in lines["when"]
    assert f"the key {machines.pin.key.identity}" in text
    assert f"{machines.manifest.provenance.training_rows:,} rows, from 2026-01-01" in text
    assert "None" not in text


def test_each_metric_of_ours_has_words(machines: Bundle) -> None:
    told = [meaning(name, found) for name, found in machines.manifest.metrics.items()]
    assert told
    assert all("on rows it never saw" in words and not words.startswith("(") for words in told)


def test_a_metric_that_is_not_known_is_shown_alone() -> None:
    assert meaning("own", Metric(1.0, 0.5)) == "(0.5 on rows it never saw, 1 on those it learned from)"


def test_an_error_is_told_without_its_sign() -> None:
    assert meaning("neg_mean_absolute_error", Metric(-1.0, -2.5)).startswith("off by 2.5 on average")


def test_lists_of_categories_stay_in_their_line(machines: Bundle) -> None:
    assert max(map(len, card(machines).splitlines())) <= 200


def test_json_holds_all_categories_and_limits(machines: Bundle) -> None:
    found = plain(machines)
    assert [item["name"] for item in found["inputs"]] == [feature.name for feature in machines.manifest.features]  # type: ignore[attr-defined]
    assert found["signed_by"] == machines.pin.key.identity


@pytest.mark.parametrize("as_json", [False, True])
def test_a_file_can_be_asked_about_before_it_is_installed(
    tiny_box: Path, tmp_path: Path, keyring: Keyring, as_json: bool
) -> None:
    state = tmp_path / "state"
    (state / "bundles").mkdir(parents=True)
    (state / "trust.json").write_bytes(keyring.to_json())
    words = ["--state", str(state), "about", "--bundle", str(tiny_box), *(["--json"] if as_json else [])]
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 0
    bundle = open_bundle(tiny_box, keyring)
    if as_json:
        found = json.loads(ended.stdout)
        assert (found["schema"], found["model"], found["digest"]) == ("hakobu.about/1", "tiny", bundle.digest)
    else:
        assert ended.stdout == card(bundle) + "\n"


def test_without_a_model_it_says_how_to_install_one(tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["--state", str(tmp_path), "about"])
    assert ended.exit_code == 8
    assert "install" in ended.stderr
