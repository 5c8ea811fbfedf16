"""ln, sin and cos as the `libm` crate computes them, which is a port of musl's, which are those of
FreeBSD's msun: each operation of binary64 as it is there. Only for the arguments that random numbers
need: ln of numbers above 2^-60, and angles from 0 to a little over 2 pi.
"""

import math
import struct

LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10
LG = (
    *(6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01),
    *(1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01),
)
S = (
    *(-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04),
    *(2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10),
)
C = (
    *(4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05),
    *(-2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11),
)
#: Parts of 33 bits of pi/2, each with the rest behind it.
PIO2 = (
    (1.57079632673412561417e00, 6.07710050650619224932e-11),
    (6.07710050630396597660e-11, 2.02226624879595063154e-21),
    (2.02226624871116645580e-21, 8.47842766036889956997e-32),
)
INV_PIO2 = 6.36619772367581382433e-01


def bits(x: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def log(x: float) -> float:
    """ln of a number that is not subnormal."""
    if x == 1.0:
        return 0.0
    # x = m * 2^k with m from sqrt(1/2) to sqrt(2), by the upper half of its bits.
    high = (bits(x) >> 32) + 0x3FF00000 - 0x3FE6A09E
    k = float((high >> 20) - 0x3FF)
    high = (high & 0xFFFFF) + 0x3FE6A09E
    (m,) = struct.unpack("<d", struct.pack("<Q", high << 32 | bits(x) & 0xFFFFFFFF))
    f = m - 1.0
    half = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (LG[1] + w * (LG[3] + w * LG[5]))
    odd = z * (LG[0] + w * (LG[2] + w * (LG[4] + w * LG[6])))
    return s * (half + (odd + even)) + k * LN2[1] - half + f + k * LN2[0]


def kernel_sin(x: float, tail: float | None) -> float:
    z = x * x
    w = z * z
    r = S[1] + z * (S[2] + z * S[3]) + z * w * (S[4] + z * S[5])
    v = z * x
    if tail is None:
        return x + v * (S[0] + z * r)
    return x - ((z * (0.5 * tail - v * r) - tail) - v * S[0])


def kernel_cos(x: float, tail: float) -> float:
    z = x * x
    w = z * z
    r = z * (C[0] + z * (C[1] + z * C[2])) + w * w * (C[3] + z * (C[4] + z * C[5]))
    half = 0.5 * z
    w = 1.0 - half
    return w + (((1.0 - w) - half) + (z * r - x * tail))


def reduced(x: float) -> tuple[int, float, float]:
    """The nearest multiple of pi/2, and the distance from it as a number and its rest."""
    high = bits(x) >> 32
    near = high & 0xFFFFF == 0x921FB if high <= 0x400F6A7A else high in (0x4012D97C, 0x401921FB)
    if not near:
        n = next(n for n, end in enumerate((0x4002D97C, 0x400F6A7A, 0x4015FDBC, 0x401C463B), 1) if high <= end)
        z = x - n * PIO2[0][0]
        y = z - n * PIO2[0][1]
        return n, y, (z - y) - n * PIO2[0][1]
    n = float(round(x * INV_PIO2))
    r, w = x - n * PIO2[0][0], n * PIO2[0][1]
    y = r - w
    for (part, rest), lost in zip(PIO2[1:], (16, 49)):
        if (high >> 20) - (bits(y) >> 52 & 0x7FF) <= lost:
            break
        t, w = r, n * part
        r = t - w
        w = n * rest - ((t - r) - w)
        y = r - w
    return int(n), y, (r - y) - w


def sin_cos(x: float) -> tuple[float, float]:
    if bits(x) >> 32 <= 0x3FE921FB:
        sin = x if bits(x) >> 32 < 0x3E500000 else kernel_sin(x, None)
        cos = 1.0 if bits(x) >> 32 < 0x3E46A09E else kernel_cos(x, 0.0)
        return sin, cos
    n, y, tail = reduced(x)
    sin, cos = kernel_sin(y, tail), kernel_cos(y, tail)
    return [(sin, cos), (cos, -sin), (-sin, -cos), (-cos, sin)][n % 4]


def check(x: float, angle: float) -> None:
    """Both agree with those of this machine to the last bit or two."""
    assert math.isclose(log(x), math.log(x), rel_tol=4e-16, abs_tol=0)
    for own, other in zip(sin_cos(angle), (math.sin(angle), math.cos(angle))):
        assert math.isclose(own, other, rel_tol=4e-16, abs_tol=0)
