"""Does the exported model compute what the trained one computes? For every estimator, ours and the standard exporter.

`python -m fidelity [--only NAME ...] [--exporter standard|ours] [--dtype float64|float32] [--json] [--write PAGE]`, in
`tests/bench`; on Linux or macOS. Ends with 1 when ours is silently wrong anywhere.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from fidelity.case import Case
from fidelity.child import EXPORTERS, outcomes
from fidelity.estimators import estimators
from fidelity.outcome import Verdict
from fidelity.paper import line, page, totals
from fidelity.variants import variants


def main() -> None:
    """Run what was asked for, and print a line for each case and the totals."""
    asked = _asked()
    cases = [case for case in (*estimators(), *variants()) if _wanted(case, asked.only)]
    exporters = [asked.exporter] if asked.exporter else list(EXPORTERS)
    all_found = []
    for case, found in outcomes(cases, exporters, np.dtype(asked.dtype).type):
        all_found.append((case, found))
        if not asked.json:
            print(line(case, found), flush=True)
    if asked.json:
        rows = [
            {"name": case.name, "variant": case.variant} | {n: asdict(o) for n, o in found.items()}
            for case, found in all_found
        ]
        print(json.dumps(rows, indent=1))
    else:
        for variant, words in ((False, "estimators"), (True, "variants")):
            for exporter in exporters:
                print(f"{words}, {exporter}: {totals(all_found, exporter, variant=variant)}")
    if asked.write:
        asked.write.write_text(page(all_found), encoding="utf-8")
    sys.exit(any(found["ours"].verdict is Verdict.WRONG for _, found in all_found if "ours" in found))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fidelity", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="names of cases, or 'estimators' or 'variants'")
    parser.add_argument("--exporter", choices=EXPORTERS)
    parser.add_argument(
        "--dtype", choices=["float64", "float32"], default="float64", help="what the source is fitted in"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="write the page for the documentation")
    return parser.parse_args()


def _wanted(case: Case, only: list[str]) -> bool:
    return not only or case.name in only or ("variants" if case.variant else "estimators") in only


if __name__ == "__main__":
    main()
