"""`hakobu-run doctor`: what is wrong with this PC, and what to do about it.

Whatever is broken, the rest is looked at all the same, and nothing is changed: no folder made, no journal set aside.
"""

from datetime import datetime
from pathlib import Path

from hakobu_runtime.device.diagnosis import Diagnosis, failure, guarded
from hakobu_runtime.device.machine import engine, libraries, packages, processor


def doctor(folder: Path | None, now: datetime) -> Diagnosis:
    """Look at this PC and at the state in `folder`, by default the one in the user's data folder."""
    checks = [
        guarded("onnxruntime", engine),
        guarded("packages", packages),
        guarded("system libraries", libraries),
        guarded("processor", processor),
    ]
    try:
        # Here: it stands on packages that may be what is broken.
        from hakobu_runtime.device.condition import examine
    except (ImportError, OSError, RuntimeError) as error:
        words = f"cannot be looked at: {error}"
        return Diagnosis(
            str(folder or ""), (*checks, failure("state folder", words, "mend what 'packages' says first"))
        )
    place, found = examine(folder, now)
    return Diagnosis(str(place), (*checks, *found))
