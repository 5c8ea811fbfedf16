"""Environments agree with a second implementation in NumPy, with themselves in other batches, and
with brute force about distances."""

import copy
import itertools
import pickle

import environments
import numpy as np
import pytest
import qorpus
from environments import Environments, distances, key, product
from qorpus import _qorpus
from qorpus.gym import Env, VectorEnv

#: Environments of each kind: exact gates, floating point, all observations, all ways to be equal.
KINDS = {
    "clifford+t": {"gates": "clifford+t", "qubits": 2, "targets": (1, 6)},
    "one qubit": {"gates": "h,t", "qubits": 1, "targets": 2, "max_steps": 3},
    "channel": {"gates": "h,t,tdg,cx", "qubits": 2, "observation": "channel", "targets": (1, 3)},
    "tableau": {"gates": "clifford", "qubits": 3, "observation": "tableau", "targets": (1, 4)},
    "tableau of a line": {"gates": "h,s,cx", "qubits": 2, "coupling": "0-1", "observation": "tableau", "targets": 2},
    "nothing": {"gates": "h,s,cx", "qubits": 2, "up_to": "nothing", "targets": (1, 2), "max_steps": 4},
    "angles": {"gates": "rx(pi/7),rz(0.3),rz(-0.3),cz", "qubits": 2, "targets": 2},
    "letters": {"letters": "h 0; s 0; cx 0 1; cx 1 2", "targets": (1, 3), "observation": "none"},
    "tolerance": {"gates": "h,t,cx", "qubits": 2, "tolerance": 0.9, "targets": 9},
    "three qubits": {"gates": "h,t,ccx,cswap", "qubits": 3, "targets": 1},
    "costs": {"gates": "h,t,swap", "qubits": 2, "targets": 1, "costs": {"t": 0.5, "swap": 3}, "bonus": 7},
}


def both(monkeypatch, number, **options):
    """Return environments, and those of the second implementation."""
    ours = VectorEnv(number, **options)
    with monkeypatch.context() as changed:
        changed.setattr(_qorpus, "Environments", Environments)
        return ours, VectorEnv(number, **options)


def same(one, other):
    """Whether two observations, infos or lists of them are equal to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other) and np.asarray(one).dtype == np.asarray(other).dtype


def assert_close(one, other):
    """Observations of floating point may differ by rounding; all others must be equal."""
    for name, (left, right) in {"observations": (one[0], other[0])}.items():
        assert left.dtype == right.dtype and left.shape == right.shape, name
        assert np.abs(left.astype(float) - right).max(initial=0) <= (1e-6 if left.dtype == np.float32 else 0)
    assert same(one[1:], other[1:])


def actions_of(envs, generator):
    """Random letters; every third environment repeats its last letter, which often solves or undoes."""
    return generator.integers(0, len(envs.letters), envs.num_envs)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("name", KINDS)
def test_trajectories_agree_with_the_second_implementation(monkeypatch, name, mode):
    ours, theirs = both(monkeypatch, 8, max_steps=KINDS[name].get("max_steps", 6), seed=3, first_env=5, autoreset_mode=mode,
                        **{option: value for option, value in KINDS[name].items() if option != "max_steps"})  # fmt: skip
    generator = np.random.default_rng(1)
    assert ours.letters == tuple(theirs._native.letters)
    assert_close(ours.reset(), theirs.reset())
    ended = 0
    for turn in range(24):
        if turn == 12:
            assert_close(ours.reset(seed=9), theirs.reset(seed=9))
        # Every other letter is tried for a solution: the inverse of what remains of short targets.
        actions = actions_of(ours, generator) if turn % 2 else solving(theirs, generator)
        one, other = ours.step(actions), theirs.step(actions)
        ended += one[2].sum()
        finals = [each[4].pop("final_obs", None) for each in (one, other)]
        assert_close(one, other)
        assert (finals[0] is None) == (finals[1] is None)
        for left, right in zip(*finals, strict=True) if finals[0] is not None else []:
            assert (left is None) == (right is None)
            assert left is None or np.abs(left.astype(float) - right).max(initial=0) <= 1e-6
        assert ours.circuits() == theirs.circuits()
        assert np.abs(ours.residuals() - theirs.residuals()).max(initial=0) < 1e-12
    assert ended, "no target was solved, so that nothing of solutions was compared"


def solving(theirs, generator):
    """A letter that solves each target if there is one, else a random letter."""
    native, actions = theirs._native, actions_of(theirs, generator)
    for each, residual in enumerate(native._residuals):
        for letter, gate in enumerate(native._gates):
            if environments.is_identity(residual @ gate.conj().T, native._up_to, native._tolerance):
                actions[each] = letter
    return actions


def test_a_solved_episode_has_a_circuit_of_its_target():
    envs = VectorEnv(256, gates="h,s,cx", qubits=2, targets=(1, 3), max_steps=12, seed=2)
    envs.reset()
    targets, generator, solved = envs.residuals(), np.random.default_rng(0), 0
    for _ in range(60):
        _, _, terminated, truncated, _ = envs.step(actions_of(envs, generator))
        assert not (terminated & truncated).any()
        circuits = envs.circuits()
        for each in np.flatnonzero(terminated):
            made = product(circuits[each], 2)
            overlap = np.trace(made.conj().T @ targets[each])
            assert abs(abs(overlap) - 4) < 1e-9
            solved += 1
        assert all(len(circuits[each]) == 12 for each in np.flatnonzero(truncated))
        fresh = np.array([not circuit for circuit in circuits])
        targets[fresh] = envs.residuals()[fresh]
    assert solved > 50


def test_targets_are_records_of_a_recipe():
    envs = VectorEnv(5, gates="h,t,cx", qubits=2, targets=(9, 12), seed=77, first_env=1000)
    recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=2**63, length=(9, 12), seed=77)
    envs.reset()
    for episode in range(3):
        ids = [(1000 + each) << 40 | episode << 8 for each in range(5)]
        assert np.abs(envs.residuals() - recipe.unitaries(ids)).max() < 1e-12
        envs.reset()


def trajectory(envs, steps=12, actions=None):
    """Everything that some steps return, and the circuits."""
    generator = np.random.default_rng(4)
    found = [envs.reset()]
    for _ in range(steps):
        every = generator.integers(0, len(envs.letters), 4096)
        found.append(envs.step(every[envs._options["first"] :][: envs.num_envs]))
    return found, envs.circuits(), envs.residuals()


@pytest.mark.parametrize(
    "options",
    [
        {"gates": "h,t,tdg,cx", "qubits": 2, "targets": (1, 3), "max_steps": 5},
        {"gates": "clifford", "qubits": 3, "targets": (1, 3), "max_steps": 5, "observation": "tableau"},
        {"gates": "rx(0.2),ry(0.3),cz", "qubits": 2, "targets": (1, 2), "max_steps": 5, "observation": "channel"},
    ],
    ids=["exact", "tableau", "floating"],
)
def test_threads_and_batches_do_not_matter(options):
    whole = [trajectory(VectorEnv(4096, seed=6, threads=threads, **options)) for threads in (1, 2, 4)]
    assert same(whole[0], whole[1]) and same(whole[0], whole[2])
    parts = [trajectory(VectorEnv(1024, seed=6, first_env=first, **options)) for first in range(0, 4096, 1024)]
    for number, step in enumerate(whole[0][0]):
        together = [np.concatenate(rows) for rows in zip(*(part[0][number][:-1] for part in parts), strict=True)]
        assert same(list(step[:-1]), together)
        infos = [part[0][number][-1] for part in parts]
        assert same(step[-1], {name: np.concatenate([info[name] for info in infos]) for name in step[-1]})
    assert whole[0][1] == [circuit for part in parts for circuit in part[1]]
    assert same(whole[0][2], np.concatenate([part[2] for part in parts]))


@pytest.mark.parametrize("name", ["clifford+t", "tableau", "angles"])
@pytest.mark.parametrize("again", ["state", "pickle", "copy"])
def test_a_state_resumes_to_the_bit(name, again):
    envs = VectorEnv(64, seed=5, **KINDS[name] | {"max_steps": 4})
    generator = np.random.default_rng(2)
    envs.reset()
    steps = [actions_of(envs, generator) for _ in range(12)]
    for actions in steps[:6]:
        envs.step(actions)
    if again == "state":
        other = VectorEnv(64, seed=8, **KINDS[name] | {"max_steps": 4})
        other.set_state(envs.get_state())
    else:
        other = pickle.loads(pickle.dumps(envs)) if again == "pickle" else copy.deepcopy(envs)
    assert other.circuits() == envs.circuits() and same(other.residuals(), envs.residuals())
    assert same([envs.step(actions) for actions in steps[6:]], [other.step(actions) for actions in steps[6:]])
    assert same(envs.reset(), other.reset()) and same(envs.get_state(), other.get_state())


def test_a_seed_begins_again():
    envs = VectorEnv(16, gates="h,t", qubits=1, targets=(3, 9), seed=4)
    first = envs.reset()
    assert not same(first[0], envs.reset()[0])
    assert same(first[0], envs.reset(seed=4)[0])
    assert not same(first[0], envs.reset(seed=5)[0])
    assert same(envs.reset(seed=2**64 - 1)[0], VectorEnv(16, gates="h,t", qubits=1, targets=(3, 9), seed=2**64 - 1).reset()[0])


@pytest.mark.parametrize("gates", ["h,t,tdg,cx", "rx(0.3),rx(-0.3),rz(1.1),rz(-1.1),cz"])
def test_rounding_of_hundreds_of_letters_hides_no_solution(gates):
    """Letters, then their inverses, then the target's own circuit: 820 letters."""
    envs = VectorEnv(64, gates=gates, qubits=2, targets=20, max_steps=1000, seed=1)
    recipe = qorpus.Recipe(gates=gates, qubits=2, random=2**63, length=20, seed=1)
    solutions = recipe.letters_array([each << 40 for each in range(64)])
    unitaries = environments.matrices(envs.letters, 2)
    inverse = [next(other for other, gate in enumerate(unitaries) if np.allclose(gate @ each, np.eye(4))) for each in unitaries]
    word = np.random.default_rng(5).integers(0, len(envs.letters), (400, 64))
    envs.reset()
    solved = np.zeros(64, int)
    for actions in [*word, *np.array(inverse)[word[::-1]], *solutions.T]:
        solved += envs.step(actions)[2]
    # A few circuits end with letters that cancel: they are solved earlier, and begin another episode.
    assert (solved == 1).all() and (envs._native.steps() == 820).sum() > 40


# Distances.

TABLES = {
    "phase": ({"gates": "h,t,tdg,cx", "qubits": 2, "max_length": 4}, {}),
    "nothing": ({"gates": "h,t", "qubits": 1, "max_length": 7, "up_to": "nothing"}, {"up_to": "nothing"}),
    "angles": ({"gates": "rx(pi/7),rz(0.3),rz(-0.3),cz", "qubits": 2, "max_length": 3}, {}),
    "letters": ({"letters": "h 0; s 0; t 1; cx 0 1; cx 1 2; h 2", "max_length": 4}, {}),
}


@pytest.fixture(scope="module", params=TABLES)
def table(request, tmp_path_factory):
    recipe, options = TABLES[request.param]
    path = tmp_path_factory.mktemp("tables") / "every.db"
    return qorpus.distinct(path, progress=False, **recipe), options


def test_distances_are_those_of_brute_force(table):
    """Every residual of 2500 episodes for each of four tables."""
    every, options = table
    known = distances(every.letters, every.qubits, every.lengths[1], options.get("up_to", "phase"))
    assert len(known) == len(every)
    envs = VectorEnv(625, table=every, targets=(1, 5), max_steps=4, seed=1, **options)
    gates = environments.matrices(envs.letters, envs.qubits)
    assert envs.letters == every.letters and 24 * len(every) <= envs.table_bytes <= 80 * len(every) + 4096
    generator, seen = np.random.default_rng(0), set()
    _, info = envs.reset()
    for step in range(20):
        residuals = envs.residuals()
        for each, residual in enumerate(residuals):
            distance = known.get(key(residual, options.get("up_to", "phase")), -1)
            assert info["distance"][each] == distance
            seen.add(distance)
            # The first letters of the shortest circuits: those after which one letter less remains.
            if each % 16 == step % 16:
                after = [known.get(key(residual @ gate.conj().T, options.get("up_to", "phase")), -1) for gate in gates]
                optimal = [int(distance > 0 and there == distance - 1) for there in after]
                assert info["optimal_actions"][each].tolist() == optimal
        info = envs.step(actions_of(envs, generator))[4]
    assert seen == {-1, *range(every.lengths[1] + 1)}


def test_optimal_actions_solve_in_as_many_steps(table):
    every, options = table
    envs = VectorEnv(512, table=every, targets=every, distance=(1, every.lengths[1]), autoreset_mode="Disabled", **options)
    _, info = envs.reset()
    distance, generator = info["distance"], np.random.default_rng(3)
    assert set(distance.tolist()) == set(range(1, every.lengths[1] + 1))
    solved = np.zeros(512, bool)
    for step in range(1, every.lengths[1] + 1):
        optimal = info["optimal_actions"] * generator.random(info["optimal_actions"].shape)
        _, _, terminated, _, info = envs.step(optimal.argmax(axis=1))
        assert (terminated == (distance == step))[~solved].all()
        solved |= terminated
        if solved.all():
            break
        if solved.any():
            envs.reset(options={"reset_mask": solved})
            info = envs._info()
    assert solved.all()


def test_distances_follow_states_and_masks(table):
    """Whatever moved the residuals, distances are those of the residuals as they are."""
    every, options = table
    envs = VectorEnv(64, table=every, targets=(1, 4), autoreset_mode="Disabled", max_steps=9, seed=2, **options)
    fresh = VectorEnv(64, table=every, targets=(1, 4), autoreset_mode="Disabled", max_steps=9, seed=5, **options)
    generator = np.random.default_rng(1)
    envs.reset()
    states, infos = [], []
    for _ in range(6):
        *_, terminated, truncated, info = envs.step(actions_of(envs, generator))
        if (terminated | truncated).any():
            _, info = envs.reset(options={"reset_mask": terminated | truncated})
        states.append(envs.get_state())
        infos.append(info)
    for place in (3, 0, 5, 5, 1):
        for each in (envs, fresh):
            each.set_state(states[place])
            assert same(each._info(), infos[place])
            again = pickle.loads(pickle.dumps(each))
            assert same(again._info(), infos[place]) and again.table_bytes == envs.table_bytes
            again.set_targets((2, 3))
            assert same(again._info(), infos[place])
            each.step(actions_of(each, generator))


# Rewards.


def test_rewards_are_those_of_qiskit_gym():
    """Its defaults: 0.01 a CNOT and 0.0001 a gate; CZ is H CX H, and SWAP three CNOTs."""
    expected = {"h": 0.0001, "s": 0.0001, "sx": 0.0001, "cx": 0.0101, "cz": 0.0103, "swap": 0.0303}
    envs = VectorEnv(1, gates=list(expected), qubits=2, targets=30, rewards="qiskit-gym", seed=1)
    envs.reset()
    for action, letter in enumerate(envs.letters):
        _, reward, terminated, _, _ = envs.step(np.array([action]))
        assert not terminated[0] and reward[0] == pytest.approx(-expected[letter.split()[0]], abs=1e-15)
    solved = VectorEnv(1, gates="swap", qubits=2, targets=1, rewards="qiskit-gym")
    solved.reset()
    _, reward, terminated, _, _ = solved.step(np.array([0]))
    assert terminated[0] and reward[0] == pytest.approx(1 - 0.0303)


def test_default_rewards():
    envs = VectorEnv(1, letters="h 0", targets=1, seed=1)
    envs.reset()
    assert envs.step(np.array([0]))[1][0] == pytest.approx(0.99)
    costs = VectorEnv(1, letters="h 0; t 0", targets=30, costs=2.5, seed=1)
    costs.reset()
    assert costs.step(np.array([1]))[1][0] == -2.5


def test_masks_forbid_letters_that_undo():
    env = Env(letters="h 0; h 1; s 0; t 0; tdg 0; cx 0 1; cx 1 0; cz 0 1", targets=20, max_steps=50, seed=1)
    env.reset()
    forbidden = [
        ("h 0", {"h 0"}), ("h 1", {"h 0", "h 1"}), ("t 0", {"h 1", "tdg 0"}), ("cx 0 1", {"cx 0 1"}), ("t 0", {"tdg 0"}),
        ("cz 0 1", {"cz 0 1"}),
    ]  # fmt: skip
    for letter, expected in forbidden:
        info = env.step(env.letters.index(letter))[4]
        allowed = dict(zip(env.letters, info["action_mask"].tolist(), strict=True))
        assert {name for name, may in allowed.items() if not may} == expected
        assert env.action_masks().tolist() == [bool(may) for may in allowed.values()]


def test_every_word_of_two_letters_has_the_right_mask():
    envs = VectorEnv(400, gates="clifford+t,cz,swap", qubits=2, targets=20, seed=1)
    words = np.array(list(itertools.product(range(len(envs.letters)), repeat=2)))
    assert len(words) <= 400
    words = np.pad(words, ((0, 400 - len(words)), (0, 0)))
    envs.reset()
    masks = envs.step(words[:, 0])[4]["action_mask"]
    gates = {"gates": "clifford+t,cz,swap", "qubits": 2}
    naive = Environments(1, **gates, max_steps=9, observation="none", up_to="phase", costs=[], bonus=0)
    for (first, second), mask in zip(words, masks, strict=True):
        assert mask[second] == (not naive._undoes(second, [first]))
