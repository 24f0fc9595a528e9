"""The error function in double, by W. J. Cody, Mathematics of Computation 23 (1969) 631, with Moshier's factors."""

import numpy as np

from hakobu.export.converters.writer import Writer

# Numerators and denominators, the highest power first: up to 1, and beyond it for what erf lacks to 1.
_MIDDLE = (
    [9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
     5.55923013010394962768e4],
    [1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
     4.92673942608635921086e4],
)  # fmt: skip
_TAIL = (
    [2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0, 4.86371970985681366614e1,
     1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
     5.57535335369399327526e2],
    [1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
     1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2],
)  # fmt: skip
_END = 6.0
"""Beyond it the error function is 1 to the last bit."""


def erf(writer: Writer, given: str) -> str:
    """Give the error function of the doubles `given`."""
    near = writer.add("Min", writer.add("Max", given, -1.0), 1.0)
    middle = writer.add("Mul", near, _ratio(writer, writer.add("Mul", near, near), _MIDDLE))
    size = writer.add("Min", writer.add("Max", writer.add("Abs", given), 1.0), _END)
    fall = writer.add("Exp", writer.add("Neg", writer.add("Mul", size, size)))
    outer = writer.add("Sub", np.array(1.0), writer.add("Mul", fall, _ratio(writer, size, _TAIL)))
    outer = writer.add("Mul", writer.add("Sign", given), outer)
    return writer.add("Where", writer.add("Less", writer.add("Abs", given), 1.0), middle, outer)


def _ratio(writer: Writer, value: str, polynomials: tuple[list[float], list[float]]) -> str:
    above, below = (_polynomial(writer, value, factors) for factors in polynomials)
    return writer.add("Div", above, below)


def _polynomial(writer: Writer, value: str, factors: list[float]) -> str:
    found: str | float = factors[0]
    for factor in factors[1:]:
        found = writer.add("Add", writer.add("Mul", found, value), factor)
    return str(found)
