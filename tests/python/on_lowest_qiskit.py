"""Imports and synthesis with an old Qiskit, whose operations may have conditions: run by
test_lowest_qiskit.py in its environment.

Prints what came of each: letters, or the error's text; for operators, the sizes of circuits.
"""

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import qiskit
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PauliEvolutionGate, PermutationGate, get_standard_gate_name_mapping
from qiskit.quantum_info import Clifford, Operator, SparsePauliOp
from qiskit.transpiler import CouplingMap, PassManager
from qiskit.transpiler.passes import HighLevelSynthesis, HLSConfig

import qorpus

HEAD = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
PROGRAMS = {
    "condition": "qreg q[1]; creg c[1]; h q[0]; if(c==1) x q[0];",
    "reset": "qreg q[1]; reset q[0];",
    "middle": "qreg q[1]; creg c[1]; measure q -> c; x q[0];",
    "own swap": "gate swap a,b { h a; } qreg q[2]; swap q[0],q[1];",
    "own cu": "gate cu(a) c,t { cu1(a) c,t; } qreg q[2]; cu(0.5) q[0],q[1];",
    "newer names": "qreg q[2]; p(0.5) q[0]; sx q[1]; crx(0.5) q[0],q[1]; rx(asin(0)) q[0]; id q[1];",
    "final": "qreg q[20]; creg c[2]; h q[3]; cx q[3],q[9]; barrier q; measure q[3] -> c[0];",
}


def attempt(read):
    try:
        return list(read())
    except qorpus.Error as error:
        return str(error)


def conditioned(wrap):
    built = QuantumCircuit(1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built.x(0).c_if(0, 1)
    if not wrap:
        return built
    outer = QuantumCircuit(1, 1)
    outer.append(built.to_instruction(), [0], [0])
    return outer


def standard_gates():
    """Return the gates whose letters have another unitary, or that are refused."""
    wrong = []
    for name, gate in get_standard_gate_name_mapping().items():
        if name in ("measure", "reset", "delay", "global_phase"):
            continue
        built = QuantumCircuit(gate.num_qubits)
        built.append(
            type(gate)(*np.linspace(0.3, 0.9, len(gate.params))) if gate.params else gate, range(gate.num_qubits)
        )
        letters = attempt(lambda built=built: qorpus.from_qiskit(built))
        again = qorpus.to_qiskit(letters, gate.num_qubits) if isinstance(letters, list) else None
        if again is None or np.abs(Operator(again).data - Operator(built).data).max() > 1e-12:
            wrong.append([name, letters])
    return wrong


def evolution():
    built = QuantumCircuit(2)
    built.append(PauliEvolutionGate(SparsePauliOp(["ZZ", "XI"]), 1.0), [0, 1])
    return built


def synthesis(directory):
    """Return by class the sizes of circuits from tables, before and after the layout. Both must be
    the operator."""
    sizes = {}
    function = QuantumCircuit(3)
    for pair in [(0, 1), (1, 0), (0, 1), (0, 2)]:
        function.cx(*pair)
    for name, gates, operator in [
        ("clifford", "h,s,cx", Clifford(qorpus.to_qiskit("h 0; cx 0 1; s 1; x 2", 3))),
        ("linear_function", "cx", LinearFunction(function)),
        ("permutation", "swap", PermutationGate([2, 1, 0])),
    ]:
        table = Path(directory) / f"{name}.db"
        options = {"up_to": "pauli", "max_length": 3} if name == "clifford" else {"max_length": 20}
        qorpus.distinct(table, gates=gates, qubits=3, coupling="line", progress=False, **options)
        plans = HLSConfig(**{name: [("qorpus", {"table": str(table)})]})
        for coupling in [None, CouplingMap.from_line(4)]:
            built = QuantumCircuit(4)
            built.append(operator, [1, 3, 2])
            found = PassManager(
                [HighLevelSynthesis(hls_config=plans, coupling_map=coupling, use_qubit_indices=coupling is not None)]
            ).run(built)
            couplings = [tuple(found.find_bit(q).index for q in gate.qubits) for gate in found.data if len(gate.qubits) > 1]
            equal = Operator(found).equiv(built) if name == "clifford" else Operator(found) == Operator(built)
            near = coupling is None or all(pair in coupling.get_edges() for pair in couplings)
            sizes.setdefault(name, []).append(found.size() if equal and near and name not in found.count_ops() else None)
    return sizes


def main():
    drop = {"final_measurements": "drop", "idle_qubits": "drop"}
    found = {name: attempt(lambda text=text: qorpus.from_qasm2(HEAD + text, **drop)) for name, text in PROGRAMS.items()}
    found["c_if"] = attempt(lambda: qorpus.from_qiskit(conditioned(False)))
    found["c_if inside"] = attempt(lambda: qorpus.from_qiskit(conditioned(True)))
    found["evolution"] = attempt(lambda: qorpus.from_qiskit(evolution()))
    with tempfile.TemporaryDirectory() as directory:
        found["synthesis"] = synthesis(directory)
    print(json.dumps({"version": qiskit.__version__, "standard": standard_gates(), **found}))


if __name__ == "__main__":
    main()
