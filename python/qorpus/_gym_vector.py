"""Environments of Gymnasium that step together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from qorpus import _qorpus
from qorpus._arguments import integer, kind, truth
from qorpus._gym_arguments import actions_of, mask_of, mode_of, no_rendering, one_of, up_to_of
from qorpus._gym_rewards import number, rewards_of
from qorpus._gym_targets import Letters, Rules, alphabet, alphabet_source, symmetries_of, targets_of
from qorpus._gym_views import OBSERVATIONS, Views, observation_space
from qorpus.errors import Error, InvalidArgument, WrongType

if TYPE_CHECKING:
    from qorpus._gym_targets import Distance, Targets
    from qorpus._qorpus import Gates, Records

#: The most environments, letters of an episode, letters of all episodes together, and threads.
MAX_ENVS, MAX_STEPS, MAX_LETTERS, MAX_THREADS = 1 << 22, 65_535, 1 << 32, 1024

#: The largest number of an environment.
MAX_FIRST_ENV = (1 << 23) - 1


class VectorEnv(gymnasium.vector.VectorEnv[NDArray[Any], NDArray[np.int64], NDArray[Any]]):
    """Environments that step together, on all cores.

    All randomness is keyed by the seed, the number of the environment, and the number of its
    episode. So trajectories do not depend on the number of threads, and a batch of 4096 has the
    same as four batches of 1024 with `first_env` 0, 1024, 2048 and 3072.

    `info` has "action_mask", int8 of shape (num_envs, letters): 0 where a letter would undo the
    letter before it on the same qubits, up to a global phase, or for tableaus up to Paulis. With
    `table` it has "distance", int32 of shape (num_envs,): the length of the residual's shortest
    circuits, or -1 if the table has no such unitary; and "optimal_actions", int8 of shape
    (num_envs, letters): 1 where a letter begins one of these circuits.

    Args:
        num_envs: the number of environments.
        gates: a gate set, as for `qorpus.Recipe`. By default gates, qubits and letters are those of
            the table, else those of the targets if they are records with circuits.
        qubits: the number of qubits, as for `qorpus.Recipe`.
        coupling: the pairs of qubits on which gates may act, as for `qorpus.Recipe`.
        letters: the letters one by one, as for `qorpus.Recipe`. An action is a letter's number.
        targets: a number of random letters, or a pair (a, b) for a uniformly drawn number of
            letters, at most 65,535; or records with unitaries: a corpus, a split, a recipe, or an object with
            `__len__` and `unitaries(ids)`. Records are drawn uniformly. A target that is solved
            from the start is drawn again.
        distance: the distance of targets from the identity, or a pair (a, b), if targets are an
            enumeration by `qorpus.distinct` or a split of one. The enumeration must have the letters
            of the environments, and their `up_to`.
        symmetries: "inverse" and "permutation", one of them or both, for targets from records: half
            of the targets are inverted, and their qubits are permuted uniformly among the
            permutations that map letters to letters. Distances stay, because each letter needs an
            inverse among the letters, global phase included; if targets are an enumeration in which
            gates have costs, both must have equal costs.
        max_steps: the letters after which an episode is truncated.
        observation: "unitary": real and imaginary parts of the residual, float32 of shape (2, d, d)
            for d = 2**qubits; "channel": its Pauli transfer matrix, float32 of shape (4**n, 4**n) for
            n qubits, which has no global phase; "tableau": bits of a Clifford operator without
            signs, int8 of shape (2n, 2n), as Qiskit's `Clifford.symplectic_matrix`; "none": an
            array of shape (0,).
        up_to: when a residual counts as the identity: "phase", up to a global phase; "nothing",
            exactly; "pauli", up to Paulis and a global phase, which tableaus imply. By default as in
            the table, else as in targets if they are an enumeration, else "phase".
        tolerance: the largest difference of entries between a residual and the identity at which a
            target counts as solved. By default only equality does, which is exact if the gates are
            over Z[i, 1/sqrt(2)].
        costs: the cost of each letter, or a mapping from names of gates to costs; other gates then
            cost nothing. By default 0.01.
        bonus: the reward of a solution; by default 1. The reward of a step is the bonus, if it
            solves the target, minus the letter's cost.
        rewards: "qiskit-gym" for the default costs and bonus of qiskit-gym 0.4.2 (`MetricsWeights`
            in its rust/src/envs/metrics.rs): 0.0001 for each gate and 0.01 for each CNOT, where a
            CZ counts as a CNOT between two gates, and a SWAP as three CNOTs; and a bonus of 1.
        table: an enumeration by `qorpus.distinct` over the same letters and with the same `up_to`,
            in which residuals are looked up.
        seed: the seed until `reset` gets another one; None for an unpredictable one.
        first_env: the number of the first environment.
        autoreset_mode: when environments whose episode has ended begin the next one: "NextStep",
            "SameStep" or "Disabled", or a `gymnasium.vector.AutoresetMode`.
        copy: whether each call returns new arrays. If not, calls return the same arrays with new
            values.
        threads: the number of worker threads; by default one per core, at most 1024.
        render_mode: None. Environments render nothing.

    Raises:
        qorpus.InvalidArgument: an argument is invalid, targets have other qubits or letters, or the
            table is over other letters; with `distance`, the enumeration has other letters or
            another `up_to`.
        qorpus.MissingRecord: a corpus is not complete; `corpus.present()` is.
        qorpus.WrongType: an argument has the wrong type.

    Examples:
        >>> import qorpus.gym
        >>> envs = qorpus.gym.VectorEnv(64, gates="h,t,tdg,cx", qubits=2, targets=(1, 4), seed=7)
        >>> obs, info = envs.reset()
        >>> obs.shape, info["action_mask"].shape
        ((64, 2, 4, 4), (64, 8))
        >>> obs, rewards, terminated, truncated, info = envs.step(envs.action_space.sample())
        >>> rewards.shape, terminated.dtype
        ((64,), dtype('bool'))
        >>> len(envs.circuits()[0])
        1
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int,
        *,
        gates: Gates | None = None,
        qubits: int | None = None,
        coupling: str | None = None,
        letters: Sequence[str] | str | None = None,
        targets: Targets = 8,
        distance: Distance | None = None,
        symmetries: Sequence[str] = (),
        max_steps: int = 32,
        observation: str = "unitary",
        up_to: str | None = None,
        tolerance: float | None = None,
        costs: float | Mapping[str, float] | None = None,
        bonus: float | None = None,
        rewards: str | None = None,
        table: Records | None = None,
        seed: int | None = 0,
        first_env: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        threads: int | None = None,
        render_mode: None = None,
    ) -> None:
        no_rendering(render_mode)
        self.num_envs = integer(num_envs, "num_envs", least=1, most=MAX_ENVS)
        self._mode, copy = mode_of(autoreset_mode), truth(copy, "copy")
        observation = one_of(observation, "observation", OBSERVATIONS)
        if table is not None and not isinstance(table, _qorpus.Records):
            raise WrongType(f"table must be a corpus made by qorpus.distinct, not {kind(table)}")
        if table is not None and not _qorpus.levels(table):
            raise InvalidArgument("table has no known distances; pass a corpus made by qorpus.distinct")
        up_to = up_to_of(up_to, observation, table, targets)
        tolerance = None if tolerance is None else number(tolerance, "tolerance")
        given = {"gates": gates, "qubits": qubits, "coupling": coupling, "letters": letters}
        recipe = alphabet(alphabet_source(table, targets), given)
        letter_costs, letter_bonus = rewards_of(recipe.letters, costs, bonus, rewards)
        images = symmetries_of(symmetries, recipe)
        first = integer(first_env, "first_env", most=MAX_FIRST_ENV)
        self._rules = Rules(recipe.letters, recipe.matrices, recipe.qubits, observation, up_to, tolerance, first, images)
        self._targets = targets_of(targets, distance, self._rules)
        self._options: dict[str, Any] = {
            "first": first,
            "seed": secrets.randbits(64) if seed is None else integer(seed, "seed"),
            "gates": {name: recipe.matrices.get(name) for name in recipe.gates}, "qubits": recipe.qubits,
            "letters": list(recipe.letters), "max_steps": integer(max_steps, "max_steps", least=1, most=MAX_STEPS),
            "observation": observation, "up_to": up_to, "tolerance": tolerance, "costs": letter_costs,
            "bonus": letter_bonus, "table": table,
            "threads": None if threads is None else integer(threads, "threads", least=1, most=MAX_THREADS),
        }  # fmt: skip
        if self.num_envs * self._options["max_steps"] > MAX_LETTERS:
            raise InvalidArgument(f"num_envs * max_steps exceeds {MAX_LETTERS:,}; make fewer environments or shorter episodes")
        self._native = self._build()
        space = observation_space(observation, self._native)
        self.single_observation_space = space
        self.single_action_space = gymnasium.spaces.Discrete(len(self.letters))
        self.observation_space = batch_space(space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        # Of imprecise targets, entries may be beyond 1.
        self._views = Views(
            self.num_envs, len(self.letters), space,
            copy=copy, clips=tolerance is not None, has_table=table is not None,
        )  # fmt: skip
        #: The environments whose episode has ended; None before the first reset.
        self._ended: NDArray[np.bool_] | None = None

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters: action j applies letter number j."""
        return tuple(self._rules.letters)

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return self._rules.qubits

    @property
    def table_bytes(self) -> int:
        """The memory of the table of distances in bytes; 0 without one."""
        self._check_open()
        return self._native.table_bytes

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Begin the next episode of all environments, or of some.

        Args:
            seed: a seed. The environments begin with its episode number 0. By default they continue
                with the current seed.
            options: {"reset_mask": mask}, a NumPy array of `num_envs` truth values, to reset only
                these environments.

        Returns:
            The observations and the info of all environments.

        Raises:
            qorpus.InvalidArgument: an option is unknown, `reset_mask` has another shape, or it
                leaves out environments although there is a seed.
            qorpus.Error: the environments are closed, or 256 targets in a row that were drawn for
                an environment are the identity.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(2, targets=3, autoreset_mode="Disabled")
            >>> first, info = envs.reset(seed=5)
            >>> second, info = envs.reset(options={"reset_mask": np.array([True, False])})
            >>> (first == second).all(axis=(1, 2, 3)).tolist()
            [False, True]
        """
        self._check_open()
        which = mask_of(options, self.num_envs)
        if seed is not None:
            seed = integer(seed, "seed")
        if which is not None and not which.all():
            if seed is not None:
                raise InvalidArgument("a seed begins all environments again; leave out reset_mask or seed")
            self._check_begun()
        super().reset(seed=seed)
        self._begin(which, seed)
        return self._observe(), self._info()

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Apply a letter in each environment.

        With "NextStep", an environment whose episode has ended begins the next one instead: its
        action is ignored, and its reward is 0. With "SameStep", it does so at once, and `info` has
        "final_obs" and "final_info" of the episode that ended. With "Disabled", call `reset` with
        `reset_mask` first.

        Args:
            actions: numbers of letters, an array of `num_envs` integers.

        Returns:
            Observations, rewards (float64), whether the target is solved, whether the episode has
            reached `max_steps` without that, and the info.

        Raises:
            qorpus.InvalidArgument: there are more or fewer actions than environments, or no letter
                has this number. Nothing has changed then.
            qorpus.WrongType: the actions are not integers.
            qorpus.Error: an environment has no episode, or the environments are closed; or an
                episode cannot begin, because 256 targets in a row that were drawn are the identity.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(3, gates="h,t", qubits=1, targets=1, seed=1)
            >>> obs, info = envs.reset()
            >>> obs, rewards, terminated, truncated, info = envs.step(np.array([0, 1, 0]))
            >>> envs.circuits()
            [('h 0',), ('t 0',), ('h 0',)]
        """
        ended = self._check_begun()
        actions = actions_of(actions, self.num_envs, len(self.letters))
        resets = ended if ended.any() else None
        if resets is not None and self._mode is not AutoresetMode.NEXT_STEP:
            call = "reset(options={'reset_mask': terminated | truncated})"
            raise Error(f"the episode of environment {int(np.argmax(ended))} has ended; call {call}")
        outputs = {"rewards": np.float64, "terminated": np.bool_, "truncated": np.bool_}
        rewards, terminated, truncated = (self._views.array(name, dtype) for name, dtype in outputs.items())
        self._native.step(actions, None if resets is None else ~resets, rewards, terminated, truncated)
        self._ended = terminated | truncated | ended
        if resets is not None:
            self._begin(resets, None)
        final = self._begin_again() if self._mode is AutoresetMode.SAME_STEP and self._ended.any() else {}
        return self._observe(), rewards, terminated, truncated, self._info() | final

    def set_targets(self, targets: Targets, distance: Distance | None = None) -> None:
        """Change the targets of later episodes. Current episodes keep theirs.

        Args:
            targets: as for `VectorEnv`.
            distance: as for `VectorEnv`.

        Raises:
            qorpus.InvalidArgument: the targets have other qubits or letters, or no records; as for
                `VectorEnv`.
            qorpus.MissingRecord: a corpus is not complete; `corpus.present()` is.
            qorpus.WrongType: `targets` are neither numbers nor records.

        Examples:
            >>> import qorpus.gym
            >>> every = qorpus.distinct("every.db", gates="h,t,cx", qubits=2, max_length=4)
            >>> envs = qorpus.gym.VectorEnv(16, targets=every, distance=1, table=every)
            >>> obs, info = envs.reset()
            >>> envs.set_targets(every, distance=(3, 4))
            >>> obs, info = envs.reset()
            >>> set(info["distance"].tolist()) <= {3, 4}
            True
        """
        self._check_open()
        changed = targets_of(targets, distance, self._rules)
        if isinstance(changed, Letters):
            self._native.set_length((changed.shortest, changed.longest))
        self._targets = changed

    def circuits(self) -> list[tuple[str, ...]]:
        """Return the letters that each environment has applied in its current episode.

        With "NextStep" or "Disabled", an episode that has ended is current until it is reset, so
        this returns the circuit of a target that was just solved.

        Raises:
            qorpus.Error: the environments are closed, or have no episodes yet.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(2, gates="h,t", qubits=1, seed=1)
            >>> obs, info = envs.reset()
            >>> envs.circuits()
            [(), ()]
        """
        self._check_begun()
        return self._native.circuits()

    def residuals(self) -> NDArray[Any]:
        """Return the residual of each environment: its target times the inverse of its circuit.

        Returns:
            complex128 of shape (num_envs, d, d), qubit 0 most significant; with
            observation="tableau" the observations.

        Raises:
            qorpus.Error: the environments are closed, or have no episodes yet.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(2, gates="h,t", qubits=1, targets=qorpus.Recipe("h,t", 1))
            >>> obs, info = envs.reset()
            >>> envs.residuals().shape
            (2, 2, 2)
        """
        self._check_begun()
        if self._rules.observation != "tableau":
            return self._native.unitaries()
        return np.array(self._observe())

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which letters do not undo the letter before them, of shape (num_envs, letters).

        Raises:
            qorpus.Error: the environments are closed, or have no episodes yet.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(1, gates="h,t", qubits=1, seed=1)
            >>> obs, info = envs.reset()
            >>> step = envs.step(np.array([0]))
            >>> envs.action_masks()
            array([[False,  True]])
        """
        self._check_begun()
        return self._views.masks(self._native).astype(np.bool_)

    def get_state(self) -> bytes:
        """Return the state of all episodes, from which `set_state` resumes to the bit.

        It has everything but the arguments of the constructor and of `set_targets`.

        Raises:
            qorpus.Error: the environments are closed.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(8, seed=1)
            >>> obs, info = envs.reset()
            >>> state = envs.get_state()
            >>> first = envs.step(np.zeros(8, int))
            >>> envs.set_state(state)
            >>> (envs.step(np.zeros(8, int))[0] == first[0]).all()
            np.True_
        """
        self._check_open()
        begun = self._ended is not None
        ended = np.zeros(self.num_envs, np.bool_) if self._ended is None else self._ended
        return bytes([begun]) + ended.tobytes() + self._native.get_state()

    def set_state(self, state: bytes) -> None:
        """Resume from a state of environments with the same arguments.

        Args:
            state: the bytes that `get_state` returned.

        Raises:
            qorpus.InvalidArgument: the state belongs to environments with other arguments.
            qorpus.WrongType: the state is not bytes.
            qorpus.Error: the environments are closed.

        Examples:
            >>> import qorpus.gym
            >>> envs = qorpus.gym.VectorEnv(8, seed=1)
            >>> obs, info = envs.reset(seed=3)
            >>> other = qorpus.gym.VectorEnv(8, seed=1)
            >>> other.set_state(envs.get_state())
            >>> (other.residuals() == envs.residuals()).all()
            np.True_
        """
        self._check_open()
        if not isinstance(state, bytes):
            raise WrongType(f"state must be the bytes that get_state() returned, not {kind(state)}")
        flags, rest = state[: 1 + self.num_envs], state[1 + self.num_envs :]
        if len(flags) != 1 + self.num_envs or max(flags) > 1:
            raise InvalidArgument(f"state is not a state of {self.num_envs} environments; pass the bytes that get_state() returned")
        self._native.set_state(rest)
        self._ended = np.frombuffer(flags, np.bool_)[1:].copy() if flags[0] else None

    def close(self, **kwargs: Any) -> None:
        """Release the residuals and the table. Later calls of other methods raise `qorpus.Error`.

        Args:
            **kwargs: ignored.

        Examples:
            >>> import qorpus.gym
            >>> qorpus.gym.VectorEnv(8).close()
        """
        if not self.closed:
            del self._native
            self.closed = True

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name != "_native"}
        return {**kept, "_state": None if self.closed else self._native.get_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        native = state.pop("_state")
        self.__dict__.update(state)
        if native is not None:
            self._native = self._build()
            self._native.set_state(native)

    def _build(self) -> _qorpus.Environments:
        """Make the native environments."""
        length = (self._targets.shortest, self._targets.longest) if isinstance(self._targets, Letters) else None
        return _qorpus.Environments(self.num_envs, **self._options, length=length)

    def _begin(self, which: NDArray[np.bool_] | None, seed: int | None) -> None:
        """Begin the next episode of some environments."""
        everyone = np.ones(self.num_envs, np.bool_)
        chosen = everyone if which is None else which
        if self._ended is not None:
            # If no target can be drawn, they have no episode to continue.
            self._ended = self._ended | chosen
        self._targets.begin(self._native, which, seed)
        self._ended = (everyone if self._ended is None else self._ended) & ~chosen

    def _begin_again(self) -> dict[str, Any]:
        """Begin the next episodes after the final ones, whose observations and info are returned."""
        ended = self._ended
        assert ended is not None
        final_obs = np.full(self.num_envs, None, object)
        observations, info = self._views.observations(self._native, new=True), self._views.info(self._native, new=True)
        for each in np.flatnonzero(ended):
            final_obs[each] = observations[each].copy()
        final_info: dict[str, Any] = {}
        for name, values in info.items():
            values[~ended] = 0
            final_info[name] = values
        self._begin(ended, None)
        return {"final_obs": final_obs, "_final_obs": ended, "final_info": final_info, "_final_info": ended.copy()}

    def _observe(self) -> NDArray[Any]:
        return self._views.observations(self._native)

    def _info(self) -> dict[str, Any]:
        return self._views.info(self._native)

    def _check_open(self) -> None:
        if self.closed:
            raise Error("the environments are closed; make new ones")

    def _check_begun(self) -> NDArray[np.bool_]:
        self._check_open()
        if self._ended is None:
            raise Error("no environment has an episode yet; call reset() first")
        return self._ended
