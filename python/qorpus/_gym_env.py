"""One environment of Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from qorpus._arguments import integer, kind
from qorpus._gym_vector import VectorEnv
from qorpus.errors import Error, InvalidArgument, WrongType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from qorpus._gym_targets import Distance, Targets
    from qorpus._qorpus import Gates, Records

    class SynthesisOptions(TypedDict, total=False):
        """The options of `Env`, which `VectorEnv` describes."""

        gates: Gates | None
        qubits: int | None
        coupling: str | None
        letters: Sequence[str] | str | None
        targets: Targets
        distance: Distance | None
        symmetries: Sequence[str]
        max_steps: int
        observation: str
        up_to: str | None
        tolerance: float | None
        costs: float | Mapping[str, float] | None
        bonus: float | None
        rewards: str | None
        table: Records | None
        seed: int | None
        first_env: int
        threads: int | None
        render_mode: None


#: The options of `VectorEnv` that one environment does not have.
OF_SEVERAL = ("num_envs", "autoreset_mode", "copy")


class Env(gymnasium.Env[NDArray[Any], np.int64]):
    """One environment, registered as `qorpus/Synthesis-v0`.

    It takes the options of `VectorEnv` but `num_envs`, `autoreset_mode` and `copy`. With the same
    seed it has the trajectories of environment number `first_env` in a `VectorEnv`. By default its
    seed is unpredictable, as in Gymnasium, so that several environments differ. Its `info` has the
    rows of the environment. `VectorEnv` is much faster.

    Args:
        **options: the options of `VectorEnv`: gates, qubits, coupling, letters, targets, distance,
            symmetries, max_steps, observation, up_to, tolerance, costs, bonus, rewards, table, seed,
            first_env, threads and render_mode.

    Raises:
        qorpus.InvalidArgument: as for `VectorEnv`.
        qorpus.MissingRecord: as for `VectorEnv`.
        qorpus.WrongType: as for `VectorEnv`, or an option is unknown.

    Examples:
        >>> import gymnasium, qorpus.gym
        >>> env = gymnasium.make("qorpus/Synthesis-v0", gates="h,t,cx", qubits=2, targets=3)
        >>> obs, info = env.reset(seed=1)
        >>> obs, reward, terminated, truncated, info = env.step(0)
        >>> env.unwrapped.circuit()
        ('h 0',)
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, **options: Unpack[SynthesisOptions]) -> None:
        known = [name for name in VectorEnv.__init__.__kwdefaults__ or () if name not in OF_SEVERAL]
        if unknown := next((name for name in options if name not in known), None):
            remedy = "use VectorEnv, which has it" if unknown in OF_SEVERAL else f"its options are {', '.join(known)}"
            raise WrongType(f"Env has no option {unknown!r}; {remedy}")
        self._envs = VectorEnv(1, autoreset_mode=AutoresetMode.DISABLED, **{"seed": None} | options)
        self.observation_space = self._envs.single_observation_space
        self.action_space = self._envs.single_action_space

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters: action j applies letter number j."""
        return self._envs.letters

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return self._envs.qubits

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin the next episode, or with a seed the first of the seed.

        Args:
            seed: as for `VectorEnv.reset`.
            options: None or an empty dict.

        Returns:
            The observation and the info.

        Raises:
            qorpus.InvalidArgument: there are options.
            qorpus.WrongType: `options` is not a dict.
            qorpus.Error: the environment is closed.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t", qubits=1)
            >>> obs, info = env.reset(seed=1)
            >>> obs.shape, info["action_mask"].tolist()
            ((2, 2, 2), [1, 1])
        """
        if options is not None and not isinstance(options, Mapping):
            raise WrongType(f"options must be a dict, not {kind(options)}")
        if options:
            raise InvalidArgument(f"options has {next(iter(options))!r}; one environment has no options")
        observations, info = self._envs.reset(seed=seed)
        super().reset(seed=seed)
        return observations[0], _first(info)

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Apply a letter.

        Args:
            action: the number of the letter.

        Returns:
            The observation, the reward, whether the target is solved, whether the episode has
            reached `max_steps` without that, and the info.

        Raises:
            qorpus.InvalidArgument: no letter has this number.
            qorpus.WrongType: the action is not an integer.
            qorpus.Error: the episode has ended, or the environment is closed.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t", qubits=1, targets=1, costs=1, bonus=0)
            >>> obs, info = env.reset(seed=1)
            >>> obs, reward, terminated, truncated, info = env.step(0)
            >>> reward
            -1.0
        """
        if self._envs._check_begun().any():
            raise Error("the episode has ended; call reset()")
        actions = np.array([integer(action, "action", most=len(self.letters) - 1)])
        observations, rewards, terminated, truncated, info = self._envs.step(actions)
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), _first(info)

    def set_targets(self, targets: Targets, distance: Distance | None = None) -> None:
        """Change the targets of later episodes, as `VectorEnv.set_targets` does.

        Args:
            targets: as for `VectorEnv`.
            distance: as for `VectorEnv`.

        Raises:
            qorpus.InvalidArgument: as for `VectorEnv.set_targets`.
            qorpus.MissingRecord: a corpus is not complete; `corpus.present()` is.
            qorpus.WrongType: `targets` are neither numbers nor records.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t,cx", qubits=2, targets=1)
            >>> env.set_targets((5, 10))
            >>> obs, info = env.reset(seed=1)
        """
        self._envs.set_targets(targets, distance)

    def circuit(self) -> tuple[str, ...]:
        """Return the letters that were applied in the current episode.

        Raises:
            qorpus.Error: the environment is closed, or has no episode yet.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t", qubits=1)
            >>> obs, info = env.reset()
            >>> env.circuit()
            ()
        """
        return self._envs.circuits()[0]

    def residual(self) -> NDArray[Any]:
        """Return the residual, as `VectorEnv.residuals` does.

        Raises:
            qorpus.Error: the environment is closed, or has no episode yet.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t", qubits=1)
            >>> obs, info = env.reset()
            >>> env.residual().shape
            (2, 2)
        """
        residual: NDArray[Any] = self._envs.residuals()[0]
        return residual

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which letters do not undo the letter before them, of shape (letters,).

        `MaskablePPO` of sb3-contrib calls this.

        Raises:
            qorpus.Error: the environment is closed, or has no episode yet.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env(gates="h,t", qubits=1)
            >>> obs, info = env.reset()
            >>> env.action_masks()
            array([ True,  True])
        """
        masks: NDArray[np.bool_] = self._envs.action_masks()[0]
        return masks

    def get_state(self) -> bytes:
        """Return the state of the episode, as `VectorEnv.get_state` does.

        Raises:
            qorpus.Error: the environment is closed.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env()
            >>> obs, info = env.reset(seed=1)
            >>> env.set_state(env.get_state())
        """
        return self._envs.get_state()

    def set_state(self, state: bytes) -> None:
        """Resume from a state, as `VectorEnv.set_state` does.

        Args:
            state: the bytes that `get_state` returned.

        Raises:
            qorpus.InvalidArgument: the state belongs to an environment with other arguments.
            qorpus.WrongType: the state is not bytes.
            qorpus.Error: the environment is closed.

        Examples:
            >>> import qorpus.gym
            >>> env = qorpus.gym.Env()
            >>> obs, info = env.reset(seed=1)
            >>> env.set_state(env.get_state())
        """
        self._envs.set_state(state)

    def close(self) -> None:
        """Release the residual and the table. Later calls raise `qorpus.Error`.

        Examples:
            >>> import qorpus.gym
            >>> qorpus.gym.Env().close()
        """
        self._envs.close()


def _first(info: dict[str, Any]) -> dict[str, Any]:
    """Return the info of the first environment."""
    return {name: values[0] for name, values in info.items() if not name.startswith("_")}
