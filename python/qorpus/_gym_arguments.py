"""Check arguments of environments; an invalid one raises an `Error` that names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from qorpus._arguments import kind
from qorpus._gym_enumeration import enumeration_of
from qorpus.errors import InvalidArgument, WrongType

#: When a residual counts as the identity.
UP_TO = ("phase", "nothing", "pauli")


def one_of(value: Any, name: str, known: Iterable[str]) -> str:
    """Return a string that is one of several."""
    if not isinstance(value, str):
        raise WrongType(f"{name} must be a string, not {kind(value)}")
    if value not in known:
        raise InvalidArgument(f"{name} is {value!r}; it must be {', '.join(map(repr, known))}")
    return value


def mode_of(value: Any) -> AutoresetMode:
    """Return a mode of automatic resets, given itself or by its name."""
    if isinstance(value, AutoresetMode):
        return value
    return AutoresetMode(one_of(value, "autoreset_mode", [mode.value for mode in AutoresetMode]))


def up_to_of(value: Any, observation: str, table: Any, targets: Any) -> str:
    """Return when a residual counts as the identity, by default as in the enumeration."""
    if value is not None:
        return one_of(value, "up_to", UP_TO)
    if observation == "tableau":
        return "pauli"
    enumeration = enumeration_of(table) or enumeration_of(targets)
    return "phase" if enumeration is None else enumeration.up_to


def no_rendering(value: Any) -> None:
    """Refuse a mode of rendering."""
    if value is not None:
        # A TypeError: Stable-Baselines3 then tries again without a mode.
        raise WrongType(f"render_mode is {value!r}, but environments render nothing; leave it out, and use circuits()")


def actions_of(actions: Any, num_envs: int, letters: int) -> NDArray[np.int64]:
    """Return the actions of all environments as int64."""
    try:
        array = np.asarray(actions)
    except (TypeError, ValueError, RuntimeError) as error:
        raise WrongType(f"actions must be an array of integers, not {kind(actions)}") from error
    if array.dtype.kind not in "iu":
        raise WrongType(f"actions must be an array of integers, not of {array.dtype if array.ndim else kind(actions)}")
    if array.shape != (num_envs,):
        raise InvalidArgument(f"actions has shape {array.shape}; {num_envs} environments need shape ({num_envs},)")
    if array.dtype == np.uint64 and array.max() >> np.uint64(63):
        raise InvalidArgument(f"an action is {array.max()}; actions are from 0 to {letters - 1}")
    return np.ascontiguousarray(array, np.int64)


def mask_of(options: Any, num_envs: int) -> NDArray[np.bool_] | None:
    """Return the environments that the options of `reset` name; None for all."""
    if options is None:
        return None
    if not isinstance(options, Mapping):
        raise WrongType(f"options must be a dict, not {kind(options)}")
    unknown = [name for name in options if name != "reset_mask"]
    if unknown:
        raise InvalidArgument(f"options has {unknown[0]!r}; the only option is 'reset_mask'")
    mask = options.get("reset_mask")
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        found = mask.dtype if isinstance(mask, np.ndarray) else kind(mask)
        raise WrongType(f"reset_mask must be a NumPy array of truth values, not {found}")
    if mask.shape != (num_envs,) or not mask.any():
        found = "no True value" if mask.shape == (num_envs,) else f"shape {mask.shape}"
        raise InvalidArgument(f"reset_mask has {found}; it must have shape ({num_envs},) and at least one True value")
    return np.ascontiguousarray(mask)
