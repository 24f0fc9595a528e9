"""log(1 + x) and exp(x) - 1 in double, exact near 0 too."""

from hakobu.export.converters.writer import Writer


def log1p(writer: Writer, value: str) -> str:
    """Give log(1 + x).

    Near 0 the error of rounding 1 + x to u is taken out: log(u) * (x / (u - 1)), after W. Kahan.
    """
    above = writer.add("Add", value, 1.0)
    excess = writer.add("Sub", above, 1.0)
    whole = writer.add("Log", above)
    mended = writer.add("Mul", whole, writer.add("Div", value, excess))
    return _near_zero(writer, value, writer.add("Equal", excess, 0.0), mended, whole)


def expm1(writer: Writer, value: str) -> str:
    """Give exp(x) - 1.

    Near 0 the error of rounding exp(x) to u is taken out: (u - 1) * (x / log(u)), after W. Kahan.
    """
    power = writer.add("Exp", value)
    whole = writer.add("Sub", power, 1.0)
    mended = writer.add("Mul", whole, writer.add("Div", value, writer.add("Log", power)))
    return _near_zero(writer, value, writer.add("Equal", power, 1.0), mended, whole)


def _near_zero(writer: Writer, value: str, tiny: str, mended: str, whole: str) -> str:
    near = writer.add("Less", writer.add("Abs", value), 0.5)
    return writer.add("Where", tiny, value, writer.add("Where", near, mended, whole))
