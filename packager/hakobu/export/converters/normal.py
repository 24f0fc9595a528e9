"""The quantiles of the normal distribution, by M. J. Wichura's AS 241, Applied Statistics 37 (1988) 477."""

from hakobu.export.converters.writer import Writer

# Numerators and denominators, the constants first: about the middle, and in the tails.
_MIDDLE = (
    [3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727],
    [1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610],
)  # fmt: skip
_TAIL = (
    [1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4],
    [1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9],
)  # fmt: skip


def normal_quantile(writer: Writer, chance: str) -> str:
    """Give the number below which a normal one lies with `chance`: doubles between exp(-25) and 1 - exp(-25).

    Nearer to 0 or 1, the approximation would need a third pair of polynomials.
    """
    shift = writer.add("Sub", chance, 0.5)
    middle = writer.add("Sub", 0.180625, writer.add("Mul", shift, shift))
    inner = writer.add("Mul", shift, _ratio(writer, middle, _MIDDLE))
    rest = writer.add("Min", chance, writer.add("Sub", 1.0, chance))
    depth = writer.add("Sqrt", writer.add("Neg", writer.add("Log", rest)))
    outer = _ratio(writer, writer.add("Sub", depth, 1.6), _TAIL)
    outer = writer.add("Mul", outer, writer.add("Sign", shift))
    near = writer.add("LessOrEqual", writer.add("Abs", shift), 0.425)
    return writer.add("Where", near, inner, outer)


def _ratio(writer: Writer, value: str, polynomials: tuple[list[float], list[float]]) -> str:
    above, below = (_polynomial(writer, value, factors) for factors in polynomials)
    return writer.add("Div", above, below)


def _polynomial(writer: Writer, value: str, factors: list[float]) -> str:
    found: str | float = factors[-1]
    for factor in reversed(factors[:-1]):
        found = writer.add("Add", writer.add("Mul", value, found), factor)
    return str(found)
