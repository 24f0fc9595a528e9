"""Steps that stand for a kernel by drawn features, in double."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.kernel_approximation import AdditiveChi2Sampler, PolynomialCountSketch, RBFSampler, SkewedChi2Sampler

from hakobu.export.converters.registry import Converter
from hakobu.export.converters.step import Step, gives


def _waves(step: Step, given: str, scale: float) -> str:
    model = step.estimator
    turned = step.add("MatMul", given, np.asarray(model.random_weights_, dtype=np.float64))
    turned = step.add("Add", turned, np.asarray(model.random_offset_, dtype=np.float64))
    return step.add("Mul", step.add("Cos", turned), scale)


def _radial(step: Step) -> str:
    return _waves(step, step.numbers(), (2.0 / step.estimator.n_components) ** 0.5)


def _skewed(step: Step) -> str:
    model = step.estimator
    given = step.add("Log", step.add("Add", step.numbers(), float(model.skewedness)))
    return _waves(step, given, float(np.sqrt(2.0) / np.sqrt(model.n_components)))


def _additive(step: Step) -> str:
    """Return the sampled spectrum of each feature, 0 where that is 0, (n, features * (2 * steps - 1))."""
    model, given = step.estimator, step.numbers()
    interval = (
        {1: 0.8, 2: 0.5, 3: 0.4}.get(model.sample_steps) if model.sample_interval is None else model.sample_interval
    )
    if interval is None:
        raise NotImplementedError("set sample_interval, or sample_steps of 1, 2 or 3")
    nothing = step.add("Equal", given, 0.0)
    safe = step.add("Where", nothing, 1.0, given)
    turn = step.add("Mul", step.add("Log", safe), float(interval))
    parts = [step.add("Sqrt", step.add("Mul", safe, float(interval)))]
    for place in range(1, model.sample_steps):
        size = step.add("Div", step.add("Mul", safe, 2.0 * interval), float(np.cosh(np.pi * place * interval)))
        size, angle = step.add("Sqrt", size), step.add("Mul", turn, float(place))
        parts += [step.add("Mul", size, step.add(wave, angle)) for wave in ("Cos", "Sin")]
    return str(step.side_by_side([step.add("Where", nothing, 0.0, part) for part in parts]))


def _sketched(step: Step) -> str:
    """Return the cyclic convolution of the count sketches, by their spectra."""
    model, size = step.estimator, int(step.estimator.n_components)
    given = step.add("Mul", step.numbers(), float(np.sqrt(model.gamma)))
    places, signs = np.asarray(model.indexHash_), np.asarray(model.bitHash_, dtype=np.float64)
    turns = 2.0 * np.pi * (np.outer(np.arange(size), np.arange(size)) % size) / size
    cosines, sines = np.cos(turns), np.sin(turns)
    spectrum: tuple[str, str] | None = None
    for degree in range(int(model.degree)):
        table = np.zeros((places.shape[1], size))
        table[np.arange(places.shape[1]), places[degree]] = signs[degree]
        features = model.n_features_in_
        sketch = step.add("MatMul", given, table[:features])
        if model.coef0 != 0:
            sketch = step.add("Add", sketch, np.sqrt(float(model.coef0)) * table[features])
        found = step.add("MatMul", sketch, cosines), step.add("MatMul", sketch, -sines)
        spectrum = found if spectrum is None else _product(step, spectrum, found)
    if spectrum is None:
        raise NotImplementedError("its degree must be 1 or more")
    real, imaginary = spectrum
    found_back = step.add("Sub", step.add("MatMul", real, cosines), step.add("MatMul", imaginary, sines))
    return step.add("Div", found_back, float(size))


def _product(step: Step, one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
    """Return the product of two complex numbers."""
    real = step.add("Sub", step.add("Mul", one[0], other[0]), step.add("Mul", one[1], other[1]))
    return real, step.add("Add", step.add("Mul", one[0], other[1]), step.add("Mul", one[1], other[0]))


def _components(model: Any) -> int:
    return int(model.n_components)


def _steps(model: Any) -> int:
    return int(model.n_features_in_ * (2 * model.sample_steps - 1))


def _converts(found: Callable[[Step], str]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        step = Step(scope, operator, container)
        step.give(found(step))

    return convert


CONVERTERS = (
    Converter(RBFSampler, gives(_components), _converts(_radial), "waves in double"),
    Converter(SkewedChi2Sampler, gives(_components), _converts(_skewed), "waves in double"),
    Converter(AdditiveChi2Sampler, gives(_steps), _converts(_additive), "waves in double"),
    Converter(PolynomialCountSketch, gives(_components), _converts(_sketched), "sketches in double"),
)
