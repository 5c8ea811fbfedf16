"""Haar-random unitaries as docs/format.md specifies them: an implementation of its own that shares
nothing with the Rust one. Real and imaginary parts are apart, so that no operation is fused.
"""

import math

import fdlibm
import format_v1
import numpy as np

TAU = 6.283185307179586


def fraction(word: int) -> float:
    return ((word >> 12) + 0.5) / 2**52


def normal_numbers(seed: int, record: int, qubits: int):
    """The complex normal numbers of a record, as pairs."""
    words = format_v1.words_of_record(seed, record, sequence=16 + qubits)
    for first, second in zip(words, words):
        radius, angle = math.sqrt(-fdlibm.log(fraction(first))), TAU * fraction(second)
        sin, cos = fdlibm.sin_cos(angle)
        yield radius * cos, radius * sin


def product(a, b):
    """The product of two complex numbers, or arrays of them."""
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def unitary(seed: int, record: int, qubits: int) -> np.ndarray:
    normals = normal_numbers(seed, record, qubits)
    # The real and the imaginary parts.
    u = np.zeros((2, 0, 0))
    for k in range(1, 2**qubits + 1):
        z = [next(normals) for _ in range(k)]
        norm = 0.0
        for re, im in z:
            norm += re * re + im * im
        norm = math.sqrt(norm)
        v = [(re / norm, im / norm) for re, im in z]
        length = math.sqrt(v[0][0] * v[0][0] + v[0][1] * v[0][1])
        phase = (v[0][0] / length, v[0][1] / length) if length > 0 else (1.0, 0.0)
        added = np.zeros((2, k, k))
        added[:, :, 0] = np.array(v).T
        if k > 1:
            sums = product((v[1][0], -v[1][1]), u[:, 0])
            for r in range(2, k):
                term = product((v[r][0], -v[r][1]), u[:, r - 1])
                sums = sums[0] + term[0], sums[1] + term[1]
            added[:, 0, 1:] = product(product(phase, phase), sums)
            divided = sums[0] / (1.0 + length), sums[1] / (1.0 + length)
            for r in range(1, k):
                term = product(v[r], divided)
                turned = product(phase, (u[0, r - 1] - term[0], u[1, r - 1] - term[1]))
                added[:, r, 1:] = -turned[0], -turned[1]
        u = added
    # -0 + 0 is +0.
    return (u[0] + 0.0) + 1j * (u[1] + 0.0)
