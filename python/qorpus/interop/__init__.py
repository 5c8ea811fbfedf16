"""Conversions between letters and the circuits of Qiskit, Cirq, BQSKit and OpenQASM."""
