"""The kernels of Gaussian processes between rows and training rows, in double."""

from math import pi
from typing import Any

import numpy as np
from sklearn.gaussian_process import kernels

from hakobu.export.converters.distances import Points, squared
from hakobu.export.converters.kernels import kernel_of
from hakobu.export.converters.step import Step

_JOINED = {kernels.Sum: "Add", kernels.Product: "Mul"}


def covariance(step: Step, kernel: Any, given: str, points: Points) -> str:
    """Return `kernel` between the rows `given` and `points`, doubles (n, points)."""
    kind = type(kernel)
    if kind in _JOINED:
        parts = (covariance(step, part, given, points) for part in (kernel.k1, kernel.k2))
        return step.add(_JOINED[kind], *parts)
    if kind is kernels.Exponentiation:
        return step.add("Pow", covariance(step, kernel.kernel, given, points), float(kernel.exponent))
    if kind is kernels.ConstantKernel:
        return _everywhere(step, given, len(points), float(kernel.constant_value))
    if kind is kernels.WhiteKernel:
        return _everywhere(step, given, len(points), 0.0)
    if kind is kernels.DotProduct:
        return step.add("Add", step.add("MatMul", given, points.T), float(kernel.sigma_0) ** 2)
    if kind is kernels.PairwiseKernel:
        words = {**(kernel.pairwise_kernels_kwargs or {}), "gamma": kernel.gamma}
        return kernel_of(step, given, points, kernel.metric, words)
    return _of_distance(step, kernel, given, points)


def _of_distance(step: Step, kernel: Any, given: str, points: Points) -> str:
    """Return a kernel that knows distances alone."""
    kind = type(kernel)
    if kind is kernels.RBF or kind is kernels.Matern:
        scale = np.asarray(kernel.length_scale, dtype=np.float64)
        far = squared(step, step.add("Div", given, scale), points / scale)
        if kind is kernels.RBF or kernel.nu == np.inf:
            return step.add("Exp", step.add("Mul", far, -0.5))
        return _matern(step, step.add("Sqrt", far), float(kernel.nu))
    if kind is kernels.RationalQuadratic:
        share = 2.0 * float(kernel.alpha) * float(kernel.length_scale) ** 2
        base = step.add("Add", step.add("Div", squared(step, given, points), share), 1.0)
        return step.add("Pow", base, -float(kernel.alpha))
    if kind is kernels.ExpSineSquared:
        turn = step.add("Mul", step.add("Sqrt", squared(step, given, points)), pi / float(kernel.periodicity))
        wave = step.add("Div", step.add("Sin", turn), float(kernel.length_scale))
        return step.add("Exp", step.add("Mul", step.add("Mul", wave, wave), -2.0))
    raise NotImplementedError(f"its kernel {kind.__name__} has no converter: use RBF, Matern or DotProduct")


def _matern(step: Step, far: str, smooth: float) -> str:
    if smooth == 0.5:
        return step.add("Exp", step.add("Neg", far))
    if smooth not in (1.5, 2.5):
        raise NotImplementedError(f"Matern with nu={smooth:g} has no converter: use 0.5, 1.5 or 2.5")
    scaled = step.add("Mul", far, float(np.sqrt(2.0 * smooth)))
    factor = step.add("Add", scaled, 1.0)
    if smooth == 2.5:
        factor = step.add("Add", factor, step.add("Div", step.add("Mul", scaled, scaled), 3.0))
    return step.add("Mul", factor, step.add("Exp", step.add("Neg", scaled)))


def _everywhere(step: Step, given: str, points: int, value: float) -> str:
    """Return `value` for each row and point; rows hold finite numbers here."""
    nothing = step.add("Mul", step.column(given, 0), 0.0)
    return step.add("Add", nothing, np.full((1, points), value))


def variance(step: Step, kernel: Any, given: str) -> str:
    """Return `kernel` between each row and itself, doubles (n, 1)."""
    kind = type(kernel)
    if kind in _JOINED:
        return step.add(_JOINED[kind], *(variance(step, part, given) for part in (kernel.k1, kernel.k2)))
    if kind is kernels.Exponentiation:
        return step.add("Pow", variance(step, kernel.kernel, given), float(kernel.exponent))
    if kind is kernels.DotProduct:
        return step.add("Add", step.sum_of(step.add("Mul", given, given)), float(kernel.sigma_0) ** 2)
    if kind is kernels.PairwiseKernel:
        raise NotImplementedError("PairwiseKernel has no converter in a classifier: use RBF, Matern or DotProduct")
    own = {kernels.ConstantKernel: "constant_value", kernels.WhiteKernel: "noise_level"}.get(kind)
    return _everywhere(step, given, 1, 1.0 if own is None else float(getattr(kernel, own)))
