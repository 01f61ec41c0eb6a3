"""Frozen dataclasses as pytrees; each class has a tree structure of its own.

`jax.tree_util.register_dataclass` is not enough: JAX 0.10 treats the tree structures of two classes as equal if their
static fields agree, so a compiled function can be handed the program of another class (two codes of one length and
vocabulary, for example) and return its numbers.
"""

import dataclasses
from typing import Any, TypeVar

import jax

__all__ = ["Class", "register"]

Class = TypeVar("Class", bound=type)


def register(cls: Class) -> Class:
    """Registers a dataclass as a pytree; fields with ``metadata={"static": True}`` are not leaves and must be hashable.

    An object that a JAX transformation rebuilds is not checked again, since its leaves may be tracers.
    """
    fields = dataclasses.fields(cls)
    leaves = [field.name for field in fields if not field.metadata.get("static")]
    static = [field.name for field in fields if field.metadata.get("static")]

    def flatten(value: Any) -> tuple[list, tuple]:
        keyed = [(jax.tree_util.GetAttrKey(name), getattr(value, name)) for name in leaves]
        return keyed, tuple(getattr(value, name) for name in static)

    def unflatten(structure: tuple, children: Any) -> Any:
        value = object.__new__(cls)
        for name, entry in zip((*leaves, *static), (*children, *structure), strict=True):
            object.__setattr__(value, name, entry)
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten, unflatten)
    return cls
