"""`keep` and `outcomes` as a clerk types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = "id,when,load,shifts,hot,line,maker\n" + "".join(
    f"m{row},2026-01-0{1 + row % 2}T00:00,{40 + row}.5,2,0,A,maker 1\n" for row in range(20)
)


def test_labels_are_joined_corrected_and_refused_with_the_right_exit_codes(
    own_device: Path, tmp_path: Path, hakobu_run: Callable[..., Any], refused: Callable[..., None]
) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        ended = hakobu_run("--state", own_device, *words)
        return ended.returncode, ended.stdout, ended.stderr

    (tmp_path / "in.csv").write_text(ROWS)
    labels = tmp_path / "labels.csv"
    labels.write_text("id,broke\n" + "".join(f"m{row},yes\n" for row in range(20)))
    refused(hakobu_run("--state", own_device, "outcomes", labels), 8, own_device, "hakobu-run keep --days 90")
    refused(hakobu_run("--state", own_device, "keep", "--off", "--days", "3"), 2, "--off")
    assert "kept for 90 days of use" in run("keep", "--days", "90")[1]
    assert run("outcomes")[:2] == (0, "no label was joined with machines 1.2.3 yet\n")
    assert run("score", tmp_path / "in.csv", "-o", tmp_path / "out.csv")[0] == 0
    code, said, _ = run("outcomes", labels, "--by", "day")
    assert code == 0
    assert said.startswith(f"{labels}: joined 20 of 20 rows: 20 new\n")
    assert "2026-01-02  10 of 10" in said
    assert said.count("insufficient") >= 2
    labels.write_text("id,broke\nm1,no\nm2,perhaps\n")
    code, said, error = run("outcomes", labels, "--json")
    assert (code, json.loads(said)["joined"]["corrected"]) == (6, 1)
    assert json.loads(said)["joined"]["refusals"][0]["row"] == 2
    assert error.count("\n") == 1
    refused(hakobu_run("--state", own_device, "outcomes", tmp_path / "none.csv"), 6, "there is no such file")
    assert json.loads(run("drift", "--json")[1])["outcomes"][0]["labels"] == 20
    assert "20 that were kept are deleted" in run("keep", "--off")[1]
