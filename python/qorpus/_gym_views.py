"""Observations, masks and distances, each in an array for all environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from qorpus._qorpus import Environments

#: Kinds of observations, with the dtype and the least value of their entries. The largest is 1.
OBSERVATIONS: dict[str, tuple[Any, int]] = {
    "unitary": (np.float32, -1),
    "channel": (np.float32, -1),
    "tableau": (np.int8, 0),
    "none": (np.float32, -1),
}


def observation_space(observation: str, native: Environments) -> gymnasium.spaces.Box:
    """Return the space of the observations of one environment."""
    dtype, least = OBSERVATIONS[observation]
    return gymnasium.spaces.Box(least, 1, tuple(native.observation_shape), dtype)


class Views:
    """Arrays of the values that environments show.

    Without `copy` each kind of values has one array, which gets new values.
    """

    def __init__(self, num_envs: int, letters: int, space: gymnasium.spaces.Box, *, copy: bool, clips: bool, has_table: bool) -> None:
        self._num_envs, self._letters, self._space = num_envs, letters, space
        self._copy, self._clips, self._has_table = copy, clips, has_table
        self._kept: dict[str, NDArray[Any]] = {}

    def array(self, name: str, dtype: Any, *shape: int, new: bool = False) -> NDArray[Any]:
        """Return an array for the values of all environments: a new one, or always the same one."""
        if self._copy or new:
            return np.empty((self._num_envs, *shape), dtype)
        if name not in self._kept:
            self._kept[name] = np.empty((self._num_envs, *shape), dtype)
        return self._kept[name]

    def observations(self, native: Environments, *, new: bool = False) -> NDArray[Any]:
        """Return the observations of all environments."""
        assert self._space.shape is not None
        observations = self.array("observations", self._space.dtype, *self._space.shape, new=new)
        native.observe(observations)
        if self._clips:
            np.clip(observations, -1, 1, out=observations)
        return observations

    def masks(self, native: Environments, *, new: bool = False) -> NDArray[np.int8]:
        """Return which letters do not undo the letter before them."""
        masks = self.array("action_mask", np.int8, self._letters, new=new)
        native.action_mask(masks)
        return masks

    def info(self, native: Environments, *, new: bool = False) -> dict[str, Any]:
        """Return the masks and, with a table, the distances and optimal letters."""
        info: dict[str, Any] = {"action_mask": self.masks(native, new=new)}
        if self._has_table:
            info["distance"] = self.array("distance", np.int32, new=new)
            info["optimal_actions"] = self.array("optimal_actions", np.int8, self._letters, new=new)
            native.distances(info["distance"], info["optimal_actions"])
        # Gymnasium's mark of the environments that have a value.
        return info | {f"_{name}": np.ones(self._num_envs, np.bool_) for name in info}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": {}}
