"""Targets of environments: random letters, corpora, splits, recipes and curricula; and every argument
that is refused."""

import math
import pickle
import re

import environments
import numpy as np
import pytest
import qorpus
from environments import Environments, key, product
from gymnasium.vector import AutoresetMode
from qorpus import _qorpus
from qorpus.gym import Env, VectorEnv


class Given:
    """Unitaries in memory: the least that targets must have."""

    def __init__(self, unitaries):
        self.given = np.asarray(unitaries)

    def __len__(self):
        return len(self.given)

    def unitaries(self, ids):
        return self.given[ids]


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    path = tmp_path_factory.mktemp("targets") / "every.db"
    return qorpus.distinct(path, gates="h,t,tdg,cx", qubits=2, max_length=4, progress=False)


def keys(unitaries):
    return [key(unitary) for unitary in unitaries]


def distances_of(envs, every):
    """The true distances of the targets, by the lengths of the records with these unitaries."""
    lengths = dict(zip(keys(every.unitaries(slice(None))), map(len, every.circuits(slice(None))), strict=True))
    return [lengths[each] for each in keys(envs.residuals())]


@pytest.mark.parametrize("kind", ["corpus", "recipe", "split", "present", "unitary split", "little", "memory"])
def test_targets_are_drawn_from_records(every, kind, monkeypatch, tmp_path):
    """The ids are those that the second implementation draws, and unitaries those of the records."""
    recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=300, length=(3, 6), seed=2)
    targets = {
        "corpus": lambda: every,
        "recipe": lambda: recipe,
        "split": lambda: recipe.split(train=0.5, test=0.5)["test"],
        "present": lambda: qorpus.generate(tmp_path / "half.db", recipe, part="0/1", progress=False).present(),
        "unitary split": lambda: recipe.split(by="unitary", test=0.5, progress=False)["test"],
        "little": lambda: qorpus.open(every.paths[0], order="little"),
        "memory": lambda: Given(recipe.unitaries(slice(None)).astype(np.complex64)),
    }[kind]()
    options = {"gates": "h,t,tdg,cx", "qubits": 2, "targets": targets, "seed": 11, "first_env": 3}
    if kind == "memory":
        options["tolerance"] = 1e-5
    envs = VectorEnv(40, **options)
    with monkeypatch.context() as changed:
        changed.setattr(_qorpus, "Environments", Environments)
        theirs = VectorEnv(40, **options)
    for seed in (None, None, 5, None):
        envs.reset(seed=seed)
        theirs.reset(seed=seed)
        assert np.abs(envs.residuals() - theirs.residuals()).max() < 1e-12
    # Qubit 0 is the most significant one whatever the order of the corpus.
    known = {"corpus": every, "little": every, "memory": recipe}.get(kind, recipe)
    assert {*keys(envs.residuals())} <= {*keys(known.unitaries(slice(None)))}


def test_draws_are_uniform(every):
    envs = VectorEnv(4000, targets=every, distance=2, seed=1)
    envs.reset()
    counts = np.unique(keys(envs.residuals()), return_counts=True)[1]
    level = len(every.levels[2].ids)
    assert len(counts) == level
    expected = 4000 / level
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - (level - 1)) < 5 * math.sqrt(2 * (level - 1))


@pytest.mark.parametrize("distance", [1, 3, 4, (2, 3), (1, 4), (4, 9)])
@pytest.mark.parametrize("split", [False, True])
def test_a_distance_is_true(every, distance, split):
    targets = every.split(train=0.4, test=0.6)["test"] if split else every
    envs = VectorEnv(300, targets=targets, distance=distance, seed=4)
    envs.reset()
    low, high = distance if isinstance(distance, tuple) else (distance, distance)
    assert {*distances_of(envs, every)} == set(range(low, min(high, 4) + 1))
    if split:
        assert {*keys(envs.residuals())} <= {*keys(targets.unitaries(slice(None)))}


def test_a_distance_is_a_cost_where_gates_have_costs(tmp_path):
    cheap = qorpus.distinct(tmp_path / "t.db", gates="h,t", qubits=1, cost={"t": 1}, max_cost=3, progress=False)
    envs = VectorEnv(200, targets=cheap, distance=(2, 3), table=cheap)
    _, info = envs.reset()
    assert {*info["distance"].tolist()} == {2, 3}
    by_key = dict(zip(keys(cheap.unitaries(slice(None))), cheap.labels(slice(None)), strict=True))
    assert [by_key[each]["cost"] for each in keys(envs.residuals())] == info["distance"].tolist()


def test_curricula_change_between_episodes(every):
    envs = VectorEnv(200, gates="h,t,tdg,cx", qubits=2, targets=1, seed=1, max_steps=6, autoreset_mode="NextStep")
    envs.reset()
    before, state = envs.residuals(), envs._native.steps()
    for targets, distance, expected in [(every, 3, {3}), (every, (1, 2), {1, 2}), (3, None, None), (every, 4, {4})]:
        envs.set_targets(targets, distance)
        # Episodes go on; only later ones have the new targets.
        assert np.array_equal(envs.residuals(), before) and np.array_equal(envs._native.steps(), state)
        envs.reset()
        assert expected is None or {*distances_of(envs, every)} == expected
        envs.step(np.zeros(200, int))
        before, state = envs.residuals(), envs._native.steps()


def test_a_curriculum_has_the_targets_of_environments_made_for_it(every):
    options = {"gates": "h,t,tdg,cx", "qubits": 2, "seed": 9, "table": every}
    envs, other = VectorEnv(50, targets=2, **options), VectorEnv(50, targets=(3, 6), **options)
    envs.reset(), other.reset()
    envs.set_targets((3, 6))
    bytes_before = envs.table_bytes
    one, two = envs.reset(), other.reset()
    assert np.array_equal(one[0], two[0]) and np.array_equal(one[1]["distance"], two[1]["distance"])
    assert envs.table_bytes == bytes_before and envs.get_state() == other.get_state()


def test_random_letters_after_records_are_those_of_the_recipe(every):
    envs = VectorEnv(8, targets=every, seed=3)
    envs.reset()
    envs.set_targets((5, 7))
    envs.reset()
    recipe = qorpus.Recipe(gates="h,t,tdg,cx", qubits=2, random=2**63, length=(5, 7), seed=3)
    assert np.abs(envs.residuals() - recipe.unitaries([each << 40 | 1 << 8 for each in range(8)])).max() < 1e-12


def test_letters_are_those_of_the_targets_or_the_table(every, tmp_path):
    assert VectorEnv(1, targets=every).letters == every.letters
    assert VectorEnv(1, table=every).letters == every.letters
    assert VectorEnv(1, table=every, qubits=2).letters == every.letters
    assert VectorEnv(1, targets=every.split(a=0.5)["a"]).letters == every.letters
    listed = qorpus.Recipe(letters="h 0; cx 1 2", random=50)
    assert VectorEnv(1, targets=listed).letters == ("h 0", "cx 1 2")
    own = qorpus.Recipe(gates=[("mine", np.diag([1, 1j])), ("h", None)], qubits=1, random=50)
    env = Env(targets=own)
    env.reset()
    target = env.residual()
    env.step(env.letters.index("mine 0"))
    assert np.abs(env.residual() @ np.diag([1, 1j]) - target).max() < 1e-12
    assert VectorEnv(1).letters == qorpus.Recipe().letters


def test_a_target_that_is_solved_is_drawn_again():
    identity, other = np.eye(2), np.diag([1, 1j])
    envs = VectorEnv(200, gates="h,s", qubits=1, targets=Given([identity, other, 1j * identity, identity]))
    envs.reset()
    assert np.abs(envs.residuals() - other).max() < 1e-12
    # Words of two letters h are the identity half of the time.
    random = VectorEnv(200, gates="h,s", qubits=1, targets=2, seed=1)
    random.reset()
    assert not any(environments.is_identity(each) for each in random.residuals())


def test_exhausted_curricula_are_errors():
    envs = VectorEnv(3, gates="h,s", qubits=1, targets=Given([np.eye(2)]), first_env=40)
    with pytest.raises(qorpus.Error, match="environment 40: 256 targets in a row are the identity"):
        envs.reset()
    with pytest.raises(qorpus.Error, match="reset"):
        envs.step(np.zeros(3, int))
    envs.set_targets(Given([np.diag([1, 1j])]))
    envs.reset()
    # Episodes that cannot begin do not run, and begin once there are targets.
    envs.set_targets(Given([np.eye(2)]))
    assert envs.step(np.array([1, 0, 0]))[2].tolist() == [True, False, False]
    with pytest.raises(qorpus.Error, match="256 targets"):
        envs.step(np.zeros(3, int))
    envs.set_targets(Given([np.diag([1, 1j])]))
    _, rewards, *_ = envs.step(np.zeros(3, int))
    assert rewards[0] == 0 and envs.circuits()[0] == ()
    random = VectorEnv(1, letters="h 0", targets=2)
    with pytest.raises(qorpus.Error, match="identity"):
        random.reset()


def test_a_tolerance_accepts_approximate_solutions():
    angle = 0.01
    near = np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)])
    targets = Given([near @ np.diag([1, 1j])])
    largest = np.abs(near * np.exp(0.5j * angle) - np.eye(2)).max()
    for tolerance, solves in [(largest, True), (largest / 4, False)]:
        envs = VectorEnv(1, gates="h,s", qubits=1, targets=targets, tolerance=tolerance)
        envs.reset()
        assert envs.step(np.array([1]))[2][0] == solves


def test_haar_random_targets_need_a_tolerance():
    haar = qorpus.Recipe(haar=500, qubits=1, seed=3)
    with pytest.raises(qorpus.Error, match="Haar-random targets have no exact circuit; pass tolerance="):
        VectorEnv(4, gates="h,t", qubits=1, targets=haar)
    with pytest.raises(qorpus.Error, match="targets are on 1 qubit, but the environments on 2"):
        VectorEnv(4, gates="h,t", targets=haar)
    envs = VectorEnv(200, gates="h,s,t", qubits=1, targets=haar, tolerance=0.6, seed=1, max_steps=100)
    envs.reset()
    targets, generator, solved = envs.residuals(), np.random.default_rng(0), 0
    assert {*keys(targets)} <= {*keys(haar.unitaries(slice(None)))}
    for _ in range(20):
        _, _, terminated, _, _ = envs.step(generator.integers(0, 3, 200))
        circuits = envs.circuits()
        for each in np.flatnonzero(terminated):
            residual = targets[each] @ product(circuits[each], 1).conj().T
            assert environments.is_identity(residual, tolerance=0.6) and not environments.is_identity(residual, tolerance=1e-3)
            solved += 1
        fresh = np.array([not circuit for circuit in circuits])
        targets[fresh] = envs.residuals()[fresh]
    assert solved > 50


def test_tableaus_take_any_clifford_targets():
    cliffords = qorpus.Recipe(cliffords=200, qubits=3)
    envs = VectorEnv(30, gates="h,s,cx", qubits=3, observation="tableau", targets=cliffords, seed=2)
    observations, _ = envs.reset()
    known = {environments.tableau(product(circuit, 3)).tobytes() for circuit in cliffords.circuits(slice(None))}
    assert {each.tobytes() for each in observations} <= known
    other = VectorEnv(3, gates="h,s", qubits=1, observation="tableau", targets=qorpus.Recipe("h,t", 1))
    with pytest.raises(qorpus.Error, match="not a Clifford operator"):
        other.reset()


# Refusals.

OPTIONS = {"gates": "h,t", "qubits": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_envs": 0}, "num_envs is 0"),
        ({"num_envs": 2.5}, "num_envs must be an integer"),
        ({"gates": "h,nothing"}, "nothing"),
        ({"gates": "rz(?),h"}, r"rz\(\?\)"),
        ({"gates": ["mine"]}, "mine"),
        ({"qubits": 9}, "qubits"),
        ({"targets": 0}, "targets is 0"),
        ({"targets": (3, 2)}, r"targets is \(3, 2\)"),
        ({"targets": (1, 2, 3)}, "3 numbers"),
        ({"targets": "eight"}, "targets must be"),
        ({"targets": None}, "targets must be"),
        ({"targets": 2, "distance": 1}, "distance needs targets="),
        ({"targets": qorpus.Recipe(qubits=2)}, "targets are on 2 qubits, but the environments on 1"),
        ({"targets": qorpus.Recipe("h,s", 1)}, "letter 's 0'"),
        ({"targets": qorpus.Recipe("h,t", 1, dtype="complex64")}, "complex64, too imprecise"),
        ({"targets": qorpus.Recipe([("u", np.diag([1, 1j]))], 1), "gates": [("u", np.eye(2))]}, "gate 'u' has one matrix"),
        ({"targets": Given(np.zeros((0, 2, 2)))}, "no records"),
        ({"targets": qorpus.Recipe("h,t", 1), "distance": 2}, "qorpus.distinct"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"max_steps": 65_536}, "max_steps is 65536"),
        ({"num_envs": 1 << 20, "max_steps": 65_535}, "num_envs \\* max_steps"),
        ({"observation": "picture"}, "observation is 'picture'"),
        ({"observation": None}, "observation must be a string"),
        ({"up_to": "phases"}, "up_to is 'phases'"),
        ({"up_to": "pauli"}, "tableau"),
        ({"observation": "tableau", "up_to": "phase", "gates": "h,s"}, "tableau"),
        ({"observation": "tableau"}, "[Cc]lifford"),
        ({"observation": "tableau", "tolerance": 0.1, "gates": "h,s"}, "tolerance"),
        ({"observation": "channel", "qubits": 8}, "channels"),
        ({"tolerance": -1}, "tolerance"),
        ({"tolerance": math.nan}, "tolerance is nan"),
        ({"costs": "cheap"}, "costs must be a number"),
        ({"costs": {"cx": 1}}, "costs names 'cx', but the gates are h, t"),
        ({"costs": {"h": math.inf}}, "the cost of 'h' is inf"),
        ({"bonus": math.nan}, "bonus is nan"),
        ({"rewards": "mine"}, "rewards is 'mine'"),
        ({"rewards": "qiskit-gym", "bonus": 1}, "leave out costs and bonus"),
        ({"rewards": "qiskit-gym", "gates": "h,cy", "qubits": 2}, "no cost for 'cy'"),
        ({"table": qorpus.Recipe("h,t", 1)}, "distinct"),
        ({"table": "every.db"}, "table must be"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "seed is"),
        ({"first_env": -1}, "first_env"),
        ({"autoreset_mode": "Never"}, "autoreset_mode is 'Never'"),
        ({"autoreset_mode": 3}, "autoreset_mode must be"),
        ({"copy": np.zeros(2)}, "copy must be"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 1025}, "threads is 1025; it must be from 1 to 1024"),
        ({"targets": 65_536}, "targets is 65536; it must be from 1 to 65535"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused_arguments(options, said):
    options = {"num_envs": 2} | OPTIONS | options
    with pytest.raises(qorpus.Error, match=said) as raised:
        VectorEnv(**options)
    assert isinstance(raised.value, ValueError | TypeError | qorpus.Error) and str(raised.value)


def test_refused_tables(every, tmp_path):
    ours = {"gates": "h,t,tdg,cx", "qubits": 2, "table": every}
    for options, said in [
        ({"gates": "h,t,cx"}, "letters"),
        ({"gates": "h,tdg,t,cx"}, "letters"),
        ({"up_to": "nothing"}, "phase"),
        ({"tolerance": 0.1}, "tolerance"),
        ({"gates": "h,s,cx", "observation": "tableau"}, "letters|tableau"),
    ]:
        with pytest.raises(qorpus.Error, match=said):
            VectorEnv(2, **ours | options)
    with pytest.raises(qorpus.Error, match="no records at distance 5; its distances are 1 to 4"):
        VectorEnv(2, targets=every, distance=5)
    with pytest.raises(qorpus.Error, match="distance is 0"):
        VectorEnv(2, targets=every, distance=0)
    part = every.split(test=0.01)["test"]
    with pytest.raises(qorpus.Error, match="no records at distance 1"):
        VectorEnv(2, targets=part, distance=1)


def test_bad_unitaries_of_targets():
    for unitaries, said in [
        (np.zeros((3, 2, 2)), "unitary"),
        (np.full((3, 2, 2), np.nan), "finite"),
        (np.zeros((3, 4, 4), complex), r"shape \(2, 4, 4\); expected complex128 of shape \(2, 2, 2\)"),
        (np.zeros((3, 2, 2), int), "int64"),
    ]:
        envs = VectorEnv(2, **OPTIONS, targets=Given(unitaries))
        with pytest.raises(qorpus.Error, match=said):
            envs.reset()


def test_refused_actions_change_nothing():
    envs = VectorEnv(3, **OPTIONS, targets=20, seed=1)
    with pytest.raises(qorpus.Error, match="call reset"):
        envs.step(np.zeros(3, int))
    envs.reset()
    before = envs.get_state()
    for actions, said in [
        ([0, 1, 2], "2 of environment 2"),
        ([-1, 0, 0], "-1 of environment 0"),
        ([0, 1], r"shape \(2,\); 3 environments"),
        ([[0, 1, 1]], r"shape \(1, 3\)"),
        ([0.0, 1, 1], "float64"),
        ([True, False, True], "bool"),
        (np.array([0, 2**64 - 1, 0], np.uint64), "18446744073709551615"),
        (0, r"shape \(\)"),
        (None, "actions must be"),
        ("hth", "actions must be"),
        ([[0], [1, 2]], "actions must be"),
    ]:
        with pytest.raises(qorpus.Error, match=re.compile(said)):
            envs.step(actions)
        assert envs.get_state() == before
    env = Env(**OPTIONS)
    env.reset()
    for action in (2, -1, 1.5, None, "h"):
        with pytest.raises(qorpus.Error, match="action"):
            env.step(action)
    assert env.circuit() == ()


def test_refused_resets():
    envs = VectorEnv(3, **OPTIONS, autoreset_mode=AutoresetMode.DISABLED)
    mask = np.array([True, False, False])
    with pytest.raises(qorpus.Error, match="call reset"):
        envs.reset(options={"reset_mask": mask})
    envs.reset()
    before = envs.get_state()
    for arguments, said in [
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed must be"),
        ({"seed": [1, 2, 3]}, "seed must be"),
        ({"options": "all"}, "options must be"),
        ({"options": {"mask": mask}}, "options has 'mask'"),
        ({"options": {"reset_mask": [True, False, False]}}, "reset_mask must be a NumPy array"),
        ({"options": {"reset_mask": mask.astype(int)}}, "not int64"),
        ({"options": {"reset_mask": mask[:2]}}, r"shape \(2,\)"),
        ({"options": {"reset_mask": np.zeros(3, bool)}}, "no True value"),
        ({"options": {"reset_mask": mask}, "seed": 3}, "a seed begins all environments again"),
    ]:
        with pytest.raises(qorpus.Error, match=said):
            envs.reset(**arguments)
        assert envs.get_state() == before
    with pytest.raises(qorpus.Error, match="options has 'reset_mask'"):
        Env(**OPTIONS).reset(options={"reset_mask": mask})


def test_refused_states():
    envs = VectorEnv(3, **OPTIONS, seed=1)
    envs.reset()
    state = envs.get_state()
    other = VectorEnv(2, **OPTIONS)
    for bad in (state[:-1], state + b"\0", b"", b"\7" * len(state), other.get_state()):
        with pytest.raises(qorpus.Error):
            envs.set_state(bad)
        assert envs.get_state() == state
    for bad in (None, "state", list(state)):
        with pytest.raises(qorpus.Error, match="state must be the bytes"):
            envs.set_state(bad)


def test_an_ended_episode_needs_a_reset():
    envs = VectorEnv(2, **OPTIONS, targets=9, max_steps=1, autoreset_mode="Disabled", seed=1)
    envs.reset()
    envs.step(np.array([0, 0]))
    with pytest.raises(qorpus.Error, match="the episode of environment 0 has ended"):
        envs.step(np.array([0, 0]))
    envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(qorpus.Error, match="the episode of environment 1 has ended"):
        envs.step(np.array([0, 0]))
    env = Env(**OPTIONS, max_steps=1)
    with pytest.raises(qorpus.Error, match="call reset"):
        env.step(0)
    env.reset()
    env.step(0)
    with pytest.raises(qorpus.Error, match="the episode has ended"):
        env.step(0)


def test_closed_environments():
    envs, env = VectorEnv(2, **OPTIONS), Env(**OPTIONS)
    for each in (envs, env):
        each.reset()
        state = each.get_state()
        each.close()
        each.close()
        each = pickle.loads(pickle.dumps(each))  # noqa: PLW2901
        calls = [lambda e: e.reset(), lambda e: e.get_state(), lambda e: e.set_state(state), lambda e: e.action_masks()]
        calls += [lambda e: e.set_targets(3)]
        if isinstance(each, VectorEnv):
            calls += [lambda e: e.step(np.zeros(2, int)), lambda e: e.circuits(), lambda e: e.residuals(), lambda e: e.table_bytes]
        else:
            calls += [lambda e: e.step(0), lambda e: e.circuit(), lambda e: e.residual()]
        for call in calls:
            with pytest.raises(qorpus.Error, match="closed"):
                call(each)


def test_symmetries_change_targets_but_not_distances(every):
    """Each target is the record, its inverse, or one of them with its qubits exchanged, equally often."""
    options = {"targets": every, "distance": (3, 4), "table": every, "seed": 5}
    plain, changed = VectorEnv(4000, **options), VectorEnv(4000, symmetries=["permutation", "inverse"], **options)
    (_, info), (_, of_changed) = plain.reset(), changed.reset()
    assert np.array_equal(info["distance"], of_changed["distance"])
    records, targets = plain.residuals(), changed.residuals()
    swap = np.eye(4)[[0, 2, 1, 3]]
    inverses = records.conj().transpose(0, 2, 1)
    images = np.stack([records, inverses, swap @ records @ swap, swap @ inverses @ swap])
    is_image = np.abs(images - targets).max(axis=(2, 3)) < 1e-12
    assert is_image.any(axis=0).all()
    # Of records whose images differ, each is as likely: 4 standard deviations.
    counts = is_image[:, is_image.sum(axis=0) == 1].sum(axis=1)
    assert (abs(counts - counts.sum() / 4) < 4 * (counts.sum() * 3 / 16) ** 0.5).all(), counts
    again = VectorEnv(1000, symmetries=("inverse", "permutation"), first_env=3000, **options)
    again.reset()
    assert np.array_equal(again.residuals(), targets[3000:])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"symmetries": ["phase"]}, "symmetries contains 'phase'; it may contain inverse, permutation"),
        ({"symmetries": "inverse"}, "symmetries must be a sequence of strings, not str"),
        ({"targets": 3}, "symmetries are for targets from records"),
        ({"gates": "h,t,cx", "tolerance": 1e-3}, "symmetries by inverse needs the inverse of every letter"),
        ({"letters": "h 0; cx 0 1", "tolerance": 1e-3, "symmetries": ["permutation"]}, "symmetries by permutation needs"),
    ],
)
def test_impossible_symmetries_are_refused(every, options, sentence):
    with pytest.raises((qorpus.Error, TypeError), match=re.escape(sentence)):
        VectorEnv(4, **{"targets": every, "symmetries": ["inverse"]} | options)


def test_symmetries_by_inverse_need_equal_costs(tmp_path):
    """T and its inverse with other costs: inverted targets at distance 1 would be at distance 2."""
    options = {"gates": "h,t,tdg", "qubits": 1, "max_cost": 4, "progress": False}
    uneven = qorpus.distinct(tmp_path / "uneven.db", cost={"t": 1, "tdg": 2}, **options)
    even = qorpus.distinct(tmp_path / "even.db", cost={"t": 1, "tdg": 1}, **options)
    said = "gate 't' costs 1, but its inverse 'tdg' costs 2; leave out 'inverse'"
    for targets in (uneven, uneven.split(some=0.9)["some"]):
        with pytest.raises(qorpus.InvalidArgument, match=said):
            VectorEnv(9, targets=targets, symmetries=["inverse"])
    envs = VectorEnv(9, targets=even, symmetries=["inverse"])
    with pytest.raises(qorpus.InvalidArgument, match=said):
        envs.set_targets(uneven)
    # An inverse that the enumeration does not have.
    lacking = qorpus.distinct(tmp_path / "t.db", gates="h,t", qubits=1, cost={"t": 1}, max_cost=3, progress=False)
    with pytest.raises(qorpus.InvalidArgument, match="its inverse 'tdg' has no cost in targets"):
        VectorEnv(9, gates="h,t,tdg", qubits=1, targets=lacking, symmetries=["inverse"])
    known = dict(zip(keys(even.unitaries(slice(None))), (each["cost"] for each in even.labels(slice(None))), strict=True))
    envs = VectorEnv(300, targets=even, distance=3, symmetries=["inverse"])
    envs.reset()
    assert {known[each] for each in keys(envs.residuals())} == {3}
    VectorEnv(9, targets=uneven)


def test_distances_need_the_rules_of_the_enumeration(every, tmp_path):
    strict = qorpus.distinct(tmp_path / "strict.db", gates="h,t,tdg", qubits=1, max_length=4, up_to="nothing", progress=False)
    cliffords = qorpus.distinct(tmp_path / "cliffords.db", gates="h,s,cx", qubits=2, max_length=3, progress=False)
    for targets, options, said in [
        (strict, {"up_to": "phase"}, "those of the environments equal up to a global phase; pass up_to='nothing'"),
        (every, {"up_to": "nothing"}, "those of the environments equal exactly; pass up_to='phase'"),
        (cliffords, {"observation": "tableau"}, "those of the environments equal up to Paulis"),
        (every, {"gates": "h,t,tdg,cx,s", "qubits": 2}, "only the environments have the letter 's 0'"),
        (every, {"gates": "h,t,cx", "qubits": 2, "tolerance": 0.1}, "only targets have the letter 'tdg 0'"),
        (every.split(some=0.9)["some"], {"gates": "h,t,tdg,cx,s", "qubits": 2}, "only the environments have the letter 's 0'"),
    ]:
        with pytest.raises(qorpus.InvalidArgument, match=re.escape(said)):
            VectorEnv(2, targets=targets, distance=2, **options)
        envs = VectorEnv(2, targets=targets, **options)
        with pytest.raises(qorpus.InvalidArgument, match=re.escape(said)):
            envs.set_targets(targets, distance=2)
    # The order of letters does not matter.
    envs = VectorEnv(50, gates="cx,tdg,t,h", qubits=2, targets=every, distance=2)
    envs.reset()
    assert {*distances_of(envs, every)} == {2}


def test_up_to_is_that_of_the_enumeration(every, tmp_path):
    """Letters that make a target up to a phase alone do not solve it where up_to is "nothing"."""
    strict = qorpus.distinct(tmp_path / "strict.db", gates="h,s,t", qubits=1, max_length=9, up_to="nothing", progress=False)
    for options in ({"targets": strict, "distance": 1}, {"table": strict}, {"targets": strict.split(some=0.9)["some"]}):
        assert VectorEnv(2, **options)._options["up_to"] == "nothing"
    assert VectorEnv(2, targets=every)._options["up_to"] == "phase"
    assert VectorEnv(2, targets=strict, gates="h,s,t", qubits=1, up_to="phase")._options["up_to"] == "phase"
    # The identity times exp(i pi/4) has the circuit (s h)^3: no target at distance 6 is solved at once.
    turned = [id for id in range(len(strict)) if np.allclose(strict.unitaries([id])[0], np.exp(0.25j * np.pi) * np.eye(2))]
    assert turned
    envs = VectorEnv(1, targets=Given(strict.unitaries(turned)), table=strict)
    _, info = envs.reset()
    assert info["distance"][0] == len(strict.circuits(turned)[0]) == 6


def test_targets_that_are_not_complete_are_refused(tmp_path):
    recipe = qorpus.Recipe(gates="h,t,cx", qubits=2, random=20_000, length=(3, 6))
    half = qorpus.generate(tmp_path / "half.db", recipe, part="1/2", progress=False)
    envs = VectorEnv(4, gates="h,t,cx", qubits=2)
    for targets, said in [
        (half, r"half.db.* is not complete; generate the rest, or pass corpus.present\(\)"),
        (half.split(test=0.5)["test"], r"half.db.* is not complete; generate the rest, or split corpus.present\(\)"),
    ]:
        with pytest.raises(qorpus.MissingRecord, match=said):
            VectorEnv(4, targets=targets)
        with pytest.raises(qorpus.MissingRecord, match=said):
            envs.set_targets(targets)
        with pytest.raises(qorpus.MissingRecord, match=said):
            Env(targets=targets)
    for targets in (half.present(), half.present().split(test=0.5)["test"]):
        envs.set_targets(targets)
        envs.reset()
    with qorpus.Writer(tmp_path / "mine.db", gates="h,t,cx", qubits=2) as writer:
        writer.append("h 0")
        writer.flush()
        envs.set_targets(qorpus.open(tmp_path / "mine.db"))
        envs.reset()


@pytest.mark.parametrize("targets", [np.eye(4)[None], [np.eye(4)] * 2, [np.eye(4)] * 3, "records"])
def test_matrices_as_targets_are_refused_with_a_remedy(every, targets):
    targets = every[3:5] if isinstance(targets, str) else targets
    with pytest.raises(qorpus.WrongType, match="for matrices pass a corpus that qorpus.Writer made of them, or an object with"):
        VectorEnv(2, qubits=2, targets=targets)


def test_targets_that_numpy_cannot_read():
    class Ragged(Given):
        def unitaries(self, ids):
            return [[1], [1, 2]]

    envs = VectorEnv(2, **OPTIONS, targets=Ragged(np.zeros((3, 2, 2))))
    with pytest.raises(qorpus.Error, match=r"targets.unitaries returned list, not an array; expected complex128 of shape \(2, 2, 2\)"):
        envs.reset()


def test_options_of_one_environment():
    for options in ({"num_envs": 3}, {"autoreset_mode": "NextStep"}, {"copy": False}):
        with pytest.raises(qorpus.WrongType, match=f"Env has no option '{next(iter(options))}'; use VectorEnv"):
            Env(**OPTIONS, **options)
    with pytest.raises(qorpus.WrongType, match="Env has no option 'gate'; its options are gates, qubits"):
        Env(gate="h")


def test_nothing_is_rendered():
    assert Env(**OPTIONS, render_mode=None).render_mode is VectorEnv(2, **OPTIONS, render_mode=None).render_mode is None
    for make in (Env, lambda **options: VectorEnv(2, **options)):
        with pytest.raises(qorpus.WrongType, match=r"render_mode is 'human', .*use circuits\(\)"):
            make(**OPTIONS, render_mode="human")


@pytest.mark.parametrize(("gates", "coupling"), [("h,s,cx", "all"), ("cx", "line")])
def test_tables_of_tableaus(tmp_path, gates, coupling):
    """Distances of tableaus are those that `find` gives, and optimal actions lead home."""
    alphabet = {"gates": gates, "qubits": 3, "coupling": coupling}
    table = qorpus.distinct(tmp_path / "table.db", **alphabet, max_length=7, up_to="pauli")
    envs = VectorEnv(64, **alphabet, targets=(1, 9), observation="tableau", table=table, seed=5, max_steps=9, autoreset_mode="Disabled")
    observation, info = envs.reset()
    stored = {tableau.tobytes(): len(table[id].circuit) for id, tableau in enumerate(table.tableaus(slice(None)))}
    expected = [stored.get(residual.astype(bool).tobytes(), -1) for residual in observation]
    assert info["distance"].tolist() == expected and (info["distance"] > 0).sum() > 30
    left, running = info["distance"].copy(), info["distance"] > 0
    while running.any():
        _, _, terminated, truncated, info = envs.step(info["optimal_actions"].argmax(axis=1))
        left -= 1
        # Solved after as many steps as the distance says, and not before.
        assert (terminated[running] == (left[running] == 0)).all()
        running &= ~terminated
        assert (info["distance"][running] == left[running]).all()
        if (ended := terminated | truncated).any():
            _, info = envs.reset(options={"reset_mask": ended})
    with pytest.raises(qorpus.InvalidArgument, match="compares unitaries|treats|compares tableaus"):
        VectorEnv(2, **alphabet, targets=2, table=table, up_to="phase")
