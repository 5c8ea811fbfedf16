"""The wheel with NumPy alone. scripts/test runs this in an environment without other libraries."""

import importlib
import subprocess
import sys
import tempfile
from pathlib import Path

import qorpus


def main() -> None:
    missing = [name for name in ["torch", "qiskit", "cirq", "bqskit", "pyarrow", "gymnasium"] if name in sys.modules]
    assert not missing, f"importing qorpus imports {missing}"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.db"
        corpus = qorpus.generate(path, gates="h,t", qubits=1, random=1000, progress=False)
        assert corpus.unitaries(slice(None)).shape == (1000, 2, 2)
        command = Path(sys.executable).with_name("qorpus")
        subprocess.run([command, "verify", path, "--quiet"], check=True)
        for ask, package in [("torch", "torch"), ("to_qiskit", "qiskit"), ("to_cirq", "cirq-core"), ("to_bqskit", "bqskit")]:
            try:
                getattr(corpus if ask == "torch" else corpus[0], ask)()
            except qorpus.MissingLibrary as error:
                assert f"pip install {package}" in str(error), error
            else:
                raise AssertionError(f"{ask} works without {package}")
        try:
            importlib.import_module("qorpus.gym")
        except qorpus.MissingLibrary as error:
            assert "pip install gymnasium" in str(error), error
        else:
            raise AssertionError("qorpus.gym works without Gymnasium")
    print("qorpus works with NumPy alone")


if __name__ == "__main__":
    main()
