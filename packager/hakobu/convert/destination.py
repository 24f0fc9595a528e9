"""Where the ONNX model goes."""

import os
from pathlib import Path

from hakobu_runtime.disk import write_whole
from hakobu_runtime.errors import InputError, UsageError


def check_destination(path: Path, model: Path, sample: Path) -> None:
    """Raise an error where nothing can be written to `path`, or where that is the `model` or the `sample` itself.

    It costs nothing, and the proof before the writing may take minutes.
    """
    try:
        if path.is_dir():
            name = f"{model.resolve().stem}.onnx"
            raise UsageError(f"{path}: is a folder; name the file in it: -o {path / name}")
        for source, what in ((model, "model"), (sample, "sample")):
            if path.exists() and source.exists() and path.samefile(source):
                raise UsageError(f"{path}: is the {what} itself, which would be lost; name another file with -o")
        folder = path.parent
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{path}: {folder} is a file, not a folder; name another file with -o")
        if not folder.is_dir():
            raise InputError(f"{path}: the folder {folder} is not there; make it, or name another one with -o")
        if not os.access(folder, os.W_OK):
            raise InputError(f"{path}: the folder {folder} cannot be written to; name another one with -o")
    except OSError as error:
        raise _unwritten(path, error) from error


def write_model(path: Path, content: bytes) -> None:
    """Write the ONNX model `content` to `path`, whole or not at all; raise InputError when it cannot be."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: the model cannot be written: {error.strerror or error}; name another file with -o")
