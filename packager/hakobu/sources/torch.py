"""PyTorch's models: exported programs, and pickled or scripted modules for who trusts them."""

import io
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from hakobu.settings import Task
from hakobu.sources.kinds import Kind
from hakobu.sources.library import library
from hakobu.sources.network import Net, Network, adopt_net
from hakobu.sources.pickles import refuse_pickle, unreadable
from hakobu_runtime.errors import ProjectError
from hakobu_runtime.format.manifest import ClassLabel

_EXPORT = (
    "save it with torch.export.save(torch.export.export(model, (rows,), "
    "dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)), path)"
)


def read_torch(
    path: Path, kind: Kind, *, trust_pickle: bool, task: Task | None, classes: Sequence[ClassLabel] | None
) -> Network:
    """Return the PyTorch model at `path`, which is of `kind`.

    Raises InputError when the file is damaged or not trusted, ProjectError when it holds no model that can be brought.
    """
    if not trust_pickle:
        # Not only modules: PyTorch 2.13 falls back to pickles for parts of an exported program, and evaluates others.
        raise refuse_pickle(path, kind.value, "bring it as .onnx (torch.onnx.export)")
    torch = library("torch", "torch")
    library("onnxscript", "torch")
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            if kind is Kind.EXPORTED_TORCH:
                found = torch.export.load(str(path))
            elif kind is Kind.TORCHSCRIPT:
                found = torch.jit.load(str(path), map_location="cpu")
            else:
                found = torch.load(str(path), map_location="cpu", weights_only=False)
        except Exception as error:
            raise unreadable(path, error) from error
    if isinstance(found, torch.export.ExportedProgram):
        return adopt_net(_Program(found), task, classes)
    if not isinstance(found, torch.nn.Module):
        raise ProjectError(f"{path}: holds a {type(found).__name__}, weights without a model\nremedy: {_EXPORT}")
    return adopt_module(found, task, classes)


def adopt_module(module: Any, task: Task | None, classes: Sequence[ClassLabel] | None) -> Network:
    """Return a torch.nn.Module as a Foreign."""
    return adopt_net(_Module(module), task, classes)


class _TorchNet(Net):
    """What an exported program and a module have in common."""

    library = "PyTorch"

    def __init__(self, module: Any, tensors: Any) -> None:
        self.module = module
        torch = library("torch", "torch")
        kinds = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
        self.dtype = np.dtype(np.float64 if kinds == {torch.float64} else np.float32)

    def run(self, rows: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return what the network gives for `rows`."""
        torch = library("torch", "torch")
        with np.errstate(over="ignore"):
            given = torch.from_numpy(np.ascontiguousarray(rows, dtype=self.dtype))
        try:
            with torch.no_grad():
                found = self.module(given)
        except Exception as error:
            raise _cannot("run on a matrix of numbers", error) from error
        while isinstance(found, tuple | list) and len(found) == 1:
            found = found[0]
        if not isinstance(found, torch.Tensor):
            raise ProjectError(
                f"the PyTorch model gives a {type(found).__name__}, not one tensor\n"
                "remedy: bring a module that returns one tensor, a row of numbers for each row"
            )
        return np.asarray(found.detach().cpu().numpy())

    def _exported(self, *arguments: Any, **options: Any) -> ModelProto:
        torch = library("torch", "torch")
        library("onnxscript", "torch")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                program = torch.onnx.export(*arguments, **options)
                if program is None:  # the older exporter, which writes to a file
                    return onnx.load_model_from_string(options["f"].getvalue())
                model: ModelProto = program.model_proto
            except Exception as error:
                raise _cannot("be exported to ONNX", error) from error
        return model


class _Program(_TorchNet):
    """An exported program."""

    def __init__(self, program: Any) -> None:
        super().__init__(program.module(), [*program.state_dict.values()])
        self.program = program
        self.width = _given_width(program)
        self.outputs = _output_width(program)

    def graph(self, width: int) -> ModelProto:
        """Return the network as ONNX."""
        return self._exported(self.program, dynamo=True, verbose=False, optimize=True)


class _Module(_TorchNet):
    """A module, or one that was scripted."""

    def __init__(self, module: Any) -> None:
        try:
            module = module.to("cpu").eval()
        except Exception as error:
            raise _cannot("be put on the processor", error) from error
        super().__init__(module, [*module.parameters()])
        torch = library("torch", "torch")
        layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
        self.width = None
        self.outputs = layers[-1].out_features if isinstance(module, torch.nn.Sequential) and layers else None

    def graph(self, width: int) -> ModelProto:
        """Return the network as ONNX."""
        torch = library("torch", "torch")
        rows = torch.zeros((2, width), dtype=torch.float64 if self.dtype == np.float64 else torch.float32)
        if isinstance(self.module, torch.jit.ScriptModule):
            names: dict[str, Any] = {"input_names": ["rows"], "output_names": ["found"]}
            axes = {"rows": {0: "n"}, "found": {0: "n"}}
            return self._exported(self.module, (rows,), f=io.BytesIO(), dynamo=False, dynamic_axes=axes, **names)
        free = ({0: torch.export.Dim.DYNAMIC},)
        return self._exported(self.module, (rows,), dynamo=True, dynamic_shapes=free, verbose=False, optimize=True)


def _given_width(program: Any) -> int:
    """Return the width of the one matrix that an exported program reads, any number of rows long."""
    names = program.graph_signature.user_inputs
    found = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(found) != 1 or getattr(found[0], "ndim", 0) != 2:
        raise ProjectError(
            "the PyTorch program does not read one matrix\n"
            "remedy: export a module that reads one tensor (rows, numbers)"
        )
    rows, width = found[0].shape
    if isinstance(rows, int):
        raise ProjectError(f"the PyTorch program reads {rows} rows at a time, no other number\nremedy: {_EXPORT}")
    return int(width)


def _output_width(program: Any) -> int | None:
    names = program.graph_signature.user_outputs
    found = [node.meta.get("val") for node in program.graph.nodes if node.name in names]
    if len(found) != 1 or getattr(found[0], "ndim", 0) not in (1, 2):
        return None
    return int(found[0].shape[1]) if found[0].ndim == 2 else 1


def _cannot(what: str, error: Exception) -> ProjectError:
    words = " ".join(str(error).split())[:300] or type(error).__name__
    return ProjectError(f"the PyTorch model cannot {what}: {words}\nremedy: {_EXPORT}")
