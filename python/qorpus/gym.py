"""Environments of Gymnasium in which an agent compiles unitaries, letter by letter.

Each environment has a target, a unitary, and an action applies a letter. The residual is what
remains to be compiled: the target times the inverse of the applied circuit. An episode terminates
when the residual is the identity, so that the applied circuit makes the target. Importing this
module registers `qorpus/Synthesis-v0`. Needs Gymnasium: `pip install "qorpus[gym]"`.
"""

from qorpus.errors import MissingLibrary

try:
    import gymnasium
except ImportError as error:
    raise MissingLibrary("qorpus.gym needs Gymnasium; pip install gymnasium") from error

try:
    # Gymnasium 1.1 was the first to have it.
    from gymnasium.vector import AutoresetMode as _AutoresetMode  # noqa: F401
except ImportError as error:
    raise MissingLibrary(
        f"qorpus.gym needs Gymnasium 1.1 or later, but this is {getattr(gymnasium, '__version__', 'unknown')}; "
        "pip install --upgrade 'gymnasium>=1.1'"
    ) from error

from qorpus._gym_env import Env
from qorpus._gym_vector import VectorEnv

__all__ = ["Env", "VectorEnv"]

#: The name of the environments in Gymnasium's registry.
ID = "qorpus/Synthesis-v0"

if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="qorpus.gym:Env", vector_entry_point="qorpus.gym:VectorEnv")
