"""Environments in the libraries that train agents: Gymnasium's rules and checkers, stable-baselines3,
and a loop in PyTorch alone."""

import copy
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import qorpus
import qorpus.gym
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import DictInfoToList, RecordEpisodeStatistics
from qorpus.gym import Env, VectorEnv

SHORT = {"gates": "h,t,cx", "qubits": 2, "targets": (1, 2), "max_steps": 4}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("libraries") / "every.db"
    return qorpus.distinct(path, gates="h,t,cx", qubits=2, max_length=3, progress=False)


@pytest.mark.parametrize("observation", ["unitary", "channel", "tableau", "none"])
def test_gymnasiums_checker(observation):
    gates = "h,s,cx" if observation == "tableau" else "h,t,cx"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make("qorpus/Synthesis-v0", gates=gates, observation=observation, targets=4)
        check_env(env.unwrapped)
        # All defaults.
        check_env(gymnasium.make("qorpus/Synthesis-v0").unwrapped)


def test_registry_makes_both():
    env = gymnasium.make("qorpus/Synthesis-v0", **SHORT)
    assert isinstance(env.unwrapped, Env) and env.spec.id == "qorpus/Synthesis-v0"
    envs = gymnasium.make_vec("qorpus/Synthesis-v0", num_envs=3, autoreset_mode="SameStep", **SHORT)
    assert isinstance(envs, VectorEnv) and envs.num_envs == 3
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert VectorEnv.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    # Made again from its description.
    assert isinstance(gymnasium.make_vec(envs.spec), VectorEnv)
    asynchronous = gymnasium.make_vec("qorpus.gym:qorpus/Synthesis-v0", num_envs=2, vectorization_mode="async", **SHORT)
    first, _ = asynchronous.reset(seed=[3, 3])
    asynchronous.close()
    assert np.array_equal(first[0], VectorEnv(1, **SHORT).reset(seed=3)[0][0])


def test_spaces():
    envs = VectorEnv(5, **SHORT)
    assert envs.single_action_space == gymnasium.spaces.Discrete(6)
    assert envs.action_space == gymnasium.spaces.MultiDiscrete([6] * 5)
    assert envs.single_observation_space == gymnasium.spaces.Box(-1, 1, (2, 4, 4), np.float32)
    observations, info = envs.reset()
    assert observations in envs.observation_space
    for name, (shape, dtype) in {"channel": ((16, 16), np.float32), "none": ((0,), np.float32)}.items():
        assert VectorEnv(5, **SHORT, observation=name).single_observation_space == gymnasium.spaces.Box(-1, 1, shape, dtype)
    tableaus = VectorEnv(2, gates="h,s,cx", qubits=3, observation="tableau")
    assert tableaus.single_observation_space == gymnasium.spaces.Box(0, 1, (6, 6), np.int8)
    # Observations of imprecise targets stay in the space.
    near = qorpus.Recipe("h,t,cx", 2, dtype="complex64", random=1000)
    imprecise = VectorEnv(100, targets=near, tolerance=1e-3)
    assert imprecise.reset()[0] in imprecise.observation_space


@pytest.mark.parametrize("with_table", [False, True])
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
def test_modes_are_those_of_gymnasium(table, mode, with_table):
    """Single environments under Gymnasium's own vectorizer take the same trajectories."""
    options = SHORT | {"seed": 3} | ({"table": table} if with_table else {})
    number = 12
    ours = VectorEnv(number, autoreset_mode=mode, **options)
    makers = [lambda each=each: Env(first_env=each, **options) for each in range(number)]
    theirs = SyncVectorEnv(makers, autoreset_mode=mode)
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    generator, ended = np.random.default_rng(0), np.zeros(number, bool)
    compare(ours.reset(seed=8), theirs.reset(seed=[8] * number))
    ends = np.zeros(2, int)
    for _ in range(60):
        if mode is AutoresetMode.DISABLED and ended.any():
            compare(ours.reset(options={"reset_mask": ended}), theirs.reset(options={"reset_mask": ended}))
        actions = generator.integers(0, 6, number)
        one, other = ours.step(actions), theirs.step(actions)
        compare(one, other)
        ended = one[2] | one[3]
        ends += one[2].sum(), one[3].sum()
    assert (ends > 5).all(), "too few episodes were solved or truncated"
    theirs.close()


def compare(one, other):
    """Equal to the bit, and the info where Gymnasium marks it as present."""
    for left, right in zip(one[:-1], other[:-1], strict=True):
        assert left.dtype == right.dtype and np.array_equal(left, right)
    compare_info(one[-1], other[-1])


def compare_info(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in theirs:
        if name.startswith("_"):
            assert ours[name].dtype == np.bool_ and (ours[name] >= theirs[name]).all(), name
            assert name == "_action_mask" or "final" not in name or np.array_equal(ours[name], theirs[name])
        elif isinstance(theirs[name], dict):
            compare_info(ours[name], theirs[name])
        else:
            there = theirs[f"_{name}"]
            assert ours[name].dtype == theirs[name].dtype and ours[name].shape == theirs[name].shape, name
            for left, right in zip(ours[name][there], theirs[name][there], strict=True):
                assert np.array_equal(left, right), name
            if name == "final_obs":
                assert all(value is None for value in ours[name][~there])


def test_final_observations_are_of_the_episode_that_ended():
    envs = VectorEnv(64, autoreset_mode="SameStep", seed=2, **SHORT)
    other = VectorEnv(64, autoreset_mode="NextStep", seed=2, **SHORT)
    envs.reset(), other.reset()
    actions = np.random.default_rng(1).integers(0, 6, 64)
    seen = envs.step(actions)
    kept, _, terminated, truncated, info = other.step(actions)
    ended = terminated | truncated
    assert ended.any() and not ended.all()
    assert np.array_equal(seen[4]["_final_obs"], ended)
    for each in np.flatnonzero(ended):
        assert np.array_equal(seen[4]["final_obs"][each], kept[each])
        assert np.array_equal(seen[4]["final_info"]["action_mask"][each], info["action_mask"][each])
    assert all(not circuit for circuit, end in zip(envs.circuits(), ended, strict=True) if end)
    assert all(circuit for circuit in other.circuits())


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_arrays_are_new_or_reused(table, mode):
    for reuse in (False, True):
        envs = VectorEnv(32, copy=not reuse, table=table, autoreset_mode=mode, **SHORT)
        other = VectorEnv(32, table=table, autoreset_mode=mode, **SHORT)
        first = envs.reset(seed=1)
        kept = copy.deepcopy(first)
        other.reset(seed=1)
        before = envs.step(np.zeros(32, int))
        saved = copy.deepcopy(before)
        compare(saved, other.step(np.zeros(32, int)))
        after = envs.step(np.ones(32, int))
        compare(copy.deepcopy(after), other.step(np.ones(32, int)))
        assert np.shares_memory(first[0], after[0]) == np.shares_memory(before[1], after[1]) == reuse
        for name in ("action_mask", "distance", "optimal_actions"):
            assert np.shares_memory(before[4][name], after[4][name]) == reuse
        assert reuse or (np.array_equal(kept[0], first[0]) and np.array_equal(saved[0], before[0]))


def test_wrappers_of_gymnasium():
    envs = DictInfoToList(RecordEpisodeStatistics(VectorEnv(16, **SHORT)))
    _, infos = envs.reset(seed=1)
    assert len(infos) == 16 and all(info["action_mask"].shape == (6,) for info in infos)
    lengths = []
    for _ in range(12):
        *_, infos = envs.step(envs.action_space.sample())
        lengths += [int(info["episode"]["l"]) for info in infos if "episode" in info]
    assert lengths and max(lengths) <= 4
    envs.close()


def test_tensors_share_memory():
    envs = VectorEnv(8, **SHORT)
    observations, _ = envs.reset()
    tensor = torch.from_numpy(observations)
    tensor[0] = 0
    assert (observations[0] == 0).all() and torch.from_dlpack(observations).data_ptr() == tensor.data_ptr()
    # Tensors are actions, too.
    envs.step(torch.zeros(8, dtype=torch.int64))


def test_stable_baselines():
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    envs = make_vec_env(Env, n_envs=4, env_kwargs=SHORT)
    model = PPO("MlpPolicy", envs, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    assert len({tuple(each.env.residual().ravel()) for each in envs.envs if each.reset()}) > 1, "all have the same targets"
    model.learn(256)
    env = gymnasium.make("qorpus/Synthesis-v0", **SHORT)
    observation, _ = env.reset(seed=1)
    action, _ = model.predict(observation, deterministic=True)
    assert action in env.action_space and model.num_timesteps == 256


def test_masks_of_stable_baselines():
    from sb3_contrib import MaskablePPO
    from sb3_contrib.common.maskable.utils import get_action_masks
    from stable_baselines3.common.env_util import make_vec_env

    envs = make_vec_env(Env, n_envs=2, env_kwargs=SHORT | {"targets": 9, "max_steps": 16})
    model = MaskablePPO("MlpPolicy", envs, n_steps=64, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(128)
    observations = envs.reset()
    last = np.full(2, -1)
    undone_by = {0: 0, 1: 1, 4: 4, 5: 5}
    for _ in range(16):
        masks = get_action_masks(envs)
        assert all(not masks[each, undone_by[action]] for each, action in enumerate(last) if action in undone_by)
        actions, _ = model.predict(observations, action_masks=masks)
        assert masks[np.arange(2), actions].all()
        observations, _, ended, _ = envs.step(actions)
        last = np.where(ended, -1, actions)


def test_a_loop_in_pytorch_learns():
    """REINFORCE as one would write it, on targets of one letter: nearly all are solved at once."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    envs = VectorEnv(128, gates="h,t,cx", qubits=2, targets=1, max_steps=1, autoreset_mode="SameStep", seed=1)
    policy = torch.nn.Linear(32, 6)
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.1)
    observations, _ = envs.reset()
    for _ in range(80):
        choices = torch.distributions.Categorical(logits=policy(torch.from_numpy(observations).flatten(1)))
        actions = choices.sample()
        observations, rewards, terminated, _, _ = envs.step(actions.numpy())
        advantages = torch.from_numpy(rewards - rewards.mean()).float()
        optimizer.zero_grad()
        (-(choices.log_prob(actions) * advantages).mean() - 0.01 * choices.entropy().mean()).backward()
        optimizer.step()
    assert terminated.mean() > 0.9


def test_without_gymnasium():
    """The import says what to install."""
    script = "import sys; sys.modules['gymnasium'] = None; import qorpus; import qorpus.gym"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("qorpus.errors.MissingLibrary: qorpus.gym needs Gymnasium; pip install gymnasium")


@pytest.mark.filterwarnings("ignore:.*render:UserWarning")
def test_stable_baselines_makes_environments_by_name():
    """It asks for a mode of rendering first, and again without one after a TypeError."""
    from stable_baselines3.common.env_util import make_vec_env

    envs = make_vec_env("qorpus/Synthesis-v0", 2, env_kwargs=SHORT)
    assert envs.reset().shape == (2, 2, 4, 4)


def test_an_old_gymnasium():
    """The import says which version there is and how to upgrade it."""
    script = "import gymnasium, gymnasium.vector; del gymnasium.vector.AutoresetMode; gymnasium.__version__ = '1.0.0'"
    done = subprocess.run([sys.executable, "-c", f"{script}; import qorpus.gym"], capture_output=True, text=True)
    assert done.returncode == 1
    said = "qorpus.gym needs Gymnasium 1.1 or later, but this is 1.0.0; pip install --upgrade 'gymnasium>=1.1'"
    assert done.stderr.strip().endswith(f"qorpus.errors.MissingLibrary: {said}")
