"""Unitaries of circuits according to Qiskit and to Cirq, from the letters' text alone."""

import functools
import re
from collections.abc import Callable
from math import cos, pi, sin, sqrt

import cirq
import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator


def parse(letter: str) -> tuple[str, list[float], list[int]]:
    """`crz(pi/4) 0 2` as its name, its angles and its qubits."""
    name, angles, places = re.fullmatch(r"(\w+)(?:\((.*)\))? ((?:\d+ ?)+)", letter).groups()
    known = {"__builtins__": {}, "pi": pi, "sqrt": sqrt, "sin": sin, "cos": cos}
    values = [float(eval(angle, known)) for angle in angles.split(",")] if angles else []
    return name, values, [int(place) for place in places.split()]


def qiskit_circuit(circuit: list[str], qubits: int) -> QuantumCircuit:
    built = QuantumCircuit(qubits)
    for letter in circuit:
        name, angles, places = parse(letter)
        # Qiskit renamed u3; all other methods have the names of OpenQASM 3.
        getattr(built, {"u3": "u"}.get(name, name))(*angles, *places)
    return built


def qiskit_little(circuit: list[str], qubits: int) -> np.ndarray:
    """Qiskit's own matrix: qubit 0 is the least significant bit."""
    return Operator(qiskit_circuit(circuit, qubits)).data


def qiskit_big(circuit: list[str], qubits: int) -> np.ndarray:
    """Qiskit's matrix with qubit 0 as the most significant bit."""
    return Operator(qiskit_circuit(circuit, qubits).reverse_bits()).data


def power(gate: type, angle: float) -> cirq.Gate:
    """Z or CZ to the power that turns by `angle`."""
    return gate(exponent=angle / pi)


# Gates that Cirq has; no matrices of ours. u3 = p(phi) ry(theta) p(lambda) holds exactly, phase
# included.
CIRQ = {
    "id": lambda: [cirq.I],
    "x": lambda: [cirq.X],
    "y": lambda: [cirq.Y],
    "z": lambda: [cirq.Z],
    "h": lambda: [cirq.H],
    "s": lambda: [cirq.S],
    "sdg": lambda: [cirq.S**-1],
    "t": lambda: [cirq.T],
    "tdg": lambda: [cirq.T**-1],
    "sx": lambda: [cirq.X**0.5],
    "sxdg": lambda: [cirq.X**-0.5],
    "rx": lambda a: [cirq.rx(a)],
    "ry": lambda a: [cirq.ry(a)],
    "rz": lambda a: [cirq.rz(a)],
    "p": lambda a: [power(cirq.ZPowGate, a)],
    "u3": lambda a, b, c: [power(cirq.ZPowGate, c), cirq.ry(a), power(cirq.ZPowGate, b)],
    "cx": lambda: [cirq.CNOT],
    "cy": lambda: [cirq.ControlledGate(cirq.Y)],
    "cz": lambda: [cirq.CZ],
    "ch": lambda: [cirq.ControlledGate(cirq.H)],
    "cp": lambda a: [power(cirq.CZPowGate, a)],
    "crx": lambda a: [cirq.ControlledGate(cirq.rx(a))],
    "cry": lambda a: [cirq.ControlledGate(cirq.ry(a))],
    "crz": lambda a: [cirq.ControlledGate(cirq.rz(a))],
    "csx": lambda: [cirq.ControlledGate(cirq.X**0.5)],
    "swap": lambda: [cirq.SWAP],
    "iswap": lambda: [cirq.ISWAP],
    "ccx": lambda: [cirq.CCX],
    "cswap": lambda: [cirq.CSWAP],
}


def cirq_big(circuit: list[str], qubits: int) -> np.ndarray:
    """Cirq's matrix: qubit 0 is the most significant bit."""
    line, built = cirq.LineQubit.range(qubits), cirq.Circuit()
    for letter in circuit:
        name, angles, places = parse(letter)
        built.append(gate(*(line[place] for place in places)) for gate in CIRQ[name](*angles))
    return built.unitary(qubit_order=line, qubits_that_should_be_present=line)


@functools.cache
def matrix_of_letter(oracle: Callable, letter: str, qubits: int) -> np.ndarray:
    """The matrix of one letter on all qubits, by one of the oracles above."""
    return oracle([letter], qubits)


def product(oracle: Callable, circuit: list[str], qubits: int) -> np.ndarray:
    """The product of an oracle's matrices of letters: quicker than its matrix of the circuit."""
    unitary = np.eye(1 << qubits, dtype=complex)
    for letter in circuit:
        unitary = matrix_of_letter(oracle, letter, qubits) @ unitary
    return unitary
