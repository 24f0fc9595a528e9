import json
from math import exp, fsum, log
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hakobu_runtime.bundle import Bundle, open_bundle
from hakobu_runtime.cli import main
from hakobu_runtime.errors import BundleError, FormatError, InputError
from hakobu_runtime.explain import Explainer, Explanation, Scale
from hakobu_runtime.format.background import MOST_ROWS, Background, check_background
from hakobu_runtime.trust import Keyring

ROW = {"load": 50.0, "shifts": 2, "hot": "true", "line": "B", "maker": "maker 1", "when": "2026-01-20T13:00"}


@pytest.fixture
def tiny(tiny_box: Path, keyring: Keyring) -> Bundle:
    """Its probability of 1 is sigmoid(temp - load); its background is two rows, load 1 and 3, temp 2 and 4."""
    return open_bundle(tiny_box, keyring)


def explainer(bundle: Bundle) -> Explainer:
    return Explainer(bundle.manifest, bundle.model, bundle.background)


def shares(found: Explanation) -> dict[str, float]:
    return {one.feature: one.share for one in found.shares}


@given(temp=st.floats(0, 4, width=32), load=st.floats(0, 4, width=32), scale=st.sampled_from(Scale))
def test_the_shares_add_up_to_the_score_minus_the_background(
    tiny_box_bytes: bytes, keyring: Keyring, temp: float, load: float, scale: Scale
) -> None:
    from hakobu_runtime.bundle import read_bundle

    bundle = read_bundle(tiny_box_bytes, "tiny", keyring)
    found = explainer(bundle).explain({"temp": temp, "load": load}, scale)
    assert abs(found.base + fsum(shares(found).values()) - found.score) < 1e-9


def test_in_log_odds_a_logistic_model_is_explained_by_its_weights(tiny: Bundle) -> None:
    found = explainer(tiny).explain({"temp": 4.0, "load": 0.5}, Scale.LOG_ODDS)
    assert found.score == pytest.approx(3.5, abs=1e-4)
    assert shares(found) == pytest.approx({"temp": 4 - 3, "load": -(0.5 - 2)}, abs=1e-4)


def test_two_features_are_explained_exactly(tiny: Bundle) -> None:
    def score(temp: float, load: float) -> float:
        return 1 / (1 + exp(load - temp))

    rows = list(zip(tiny.background.features["temp"], tiny.background.features["load"], strict=True))
    x = (4.0, 0.5)
    expected = np.mean(
        [
            (score(x[0], float(b or 0)) - score(float(a or 0), float(b or 0)) + score(*x) - score(float(a or 0), x[1]))
            / 2
            for a, b in rows
        ]
    )
    assert shares(explainer(tiny).explain({"temp": x[0], "load": x[1]}))["temp"] == pytest.approx(expected, abs=1e-6)


def test_every_kind_of_feature_gets_its_share_always_the_same(machines: Bundle) -> None:
    found = explainer(machines).explain(ROW)
    assert set(shares(found)) == {feature.name for feature in machines.manifest.features}
    assert abs(found.base + fsum(shares(found).values()) - found.score) < 1e-9
    assert found == explainer(machines).explain(ROW)
    assert [abs(one.share) for one in found.shares] == sorted((abs(one.share) for one in found.shares), reverse=True)
    assert found.what == "the probability that broke is yes"
    assert shares(found)["hot"] > 0, "heat breaks machines"
    assert {one.feature: one.value for one in found.shares}["line"] == "B"


def test_a_missing_cell_is_explained_as_missing(machines: Bundle) -> None:
    found = explainer(machines).explain({**ROW, "load": None})
    assert {one.feature: one.value for one in found.shares}["load"] == ""


def test_a_rejected_row_has_nothing_to_explain(machines: Bundle) -> None:
    with pytest.raises(InputError, match="rejected, so there is no score to explain: line = 'Z'"):
        explainer(machines).explain({**ROW, "line": "Z"})


def test_a_box_without_background_says_so(tiny: Bundle) -> None:
    with pytest.raises(BundleError, match=r"no background rows, .* \[explain\] rows = 0"):
        Explainer(tiny.manifest, tiny.model, Background("hakobu.background/1", {}))


def test_a_background_of_other_features_or_sizes_is_refused(tiny: Bundle) -> None:
    with pytest.raises(FormatError, match="other features"):
        check_background(Background("hakobu.background/1", {"temp": (1.0,)}), tiny.manifest)
    with pytest.raises(FormatError, match="one length"):
        Background("hakobu.background/1", {"load": (1.0, 2.0), "temp": (1.0,)})
    with pytest.raises(FormatError, match="at most"):
        Background("hakobu.background/1", {"temp": (1.0,) * (MOST_ROWS + 1)})
    with pytest.raises(FormatError, match="'hot', no float"):
        check_background(Background("hakobu.background/1", {"load": (1.0,), "temp": ("hot",)}), tiny.manifest)
    with pytest.raises(FormatError, match="not finite"):
        Background("hakobu.background/1", {"temp": (float("inf"),)})


def test_the_background_is_nobodys_row_and_holds_what_training_held(machines: Bundle, project: Path) -> None:
    background = machines.background
    assert len(background) == 50
    rows = {tuple(line.split(",")[2:7]) for line in (project / "data.csv").read_text().splitlines()[1:]}
    lines, makers = background.features["line"], background.features["maker"]
    assert set(lines) == {"A", "B", "C"}
    assert None in makers
    loads = background.features["load"]
    held = {row[0] for row in rows}
    assert all(f"{load:.2f}" in held for load in loads if load is not None)
    joined = {("" if load is None else f"{load:.2f}", line) for load, line in zip(loads, lines, strict=True)}
    assert not joined <= {(row[0], row[3]) for row in rows}, "the columns are shuffled apart"


@pytest.fixture
def installed(tmp_path: Path, machines: Bundle) -> Path:
    state = tmp_path / "state"
    key = tmp_path / "release.pub"
    key.write_bytes(machines.pin.key.pem)
    for words in (["trust", "add", str(key)], ["install", str(machines.path)]):
        assert CliRunner().invoke(main, ["--state", str(state), *words]).exit_code == 0
    return state


def test_the_command_explains_json_and_a_row_of_a_file(installed: Path, project: Path) -> None:
    told = CliRunner().invoke(main, ["--state", str(installed), "explain", json.dumps(ROW)])
    assert told.exit_code == 0, told.output
    assert "the probability that broke is yes is" in told.output
    assert "hot = true" in told.output
    asked = ["--state", str(installed), "explain", str(project / "data.csv"), "--row", "3", "--json"]
    found = json.loads(CliRunner().invoke(main, asked).output)
    assert found["schema"] == "hakobu.explain/1"
    assert found["base"] + fsum(one["share"] for one in found["shares"]) == pytest.approx(found["score"], abs=1e-9)
    odds = json.loads(CliRunner().invoke(main, [*asked, "--log-odds"]).output)
    assert odds["score"] == pytest.approx(log(found["score"] / (1 - found["score"])), abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["{'load': 1}"], "the row is no JSON object"),
        (['{"load": 1}'], "columns are missing"),
        (["nowhere.csv"], "there is no such file"),
    ],
)
def test_a_row_that_is_none_is_refused(installed: Path, asked: list[str], words: str) -> None:
    told = CliRunner().invoke(main, ["--state", str(installed), "explain", *asked])
    assert told.exit_code == 6
    assert words in told.output


def test_a_row_beyond_the_end_is_refused(installed: Path, project: Path) -> None:
    told = CliRunner().invoke(main, ["--state", str(installed), "explain", str(project / "data.csv"), "--row", "1201"])
    assert (told.exit_code, "has 1,200 rows" in told.output) == (6, True)


def test_nothing_that_is_explained_is_counted(installed: Path) -> None:
    CliRunner().invoke(main, ["--state", str(installed), "explain", json.dumps(ROW)])
    assert json.loads(CliRunner().invoke(main, ["--state", str(installed), "status", "--json"]).output)["counted"] == []


def test_a_model_without_probabilities_is_explained_by_its_class(tiny: Bundle) -> None:
    manifest = msgspec.structs.replace(
        tiny.manifest, tensors=msgspec.structs.replace(tiny.manifest.tensors, probabilities=None)
    )
    bare = Explainer(manifest, tiny.model, tiny.background)
    found = bare.explain({"temp": 4.0, "load": 0.0})
    assert found.score == 1.0
    assert found.base + fsum(shares(found).values()) == pytest.approx(1.0)
    with pytest.raises(InputError, match="no log-odds"):
        bare.explain({"temp": 4.0, "load": 0.0}, Scale.LOG_ODDS)
