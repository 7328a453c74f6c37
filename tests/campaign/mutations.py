"""What befalls files: bits, bytes and blocks that change, go, come, or move."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutation = Callable[[bytearray, Random, bytes], None]
"""Changes a file in place; the third is another file of the same format."""
HEAD_BYTES = 160
"""Half of all changes fall here, where headers and tables lie."""
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _place(content: bytearray, rng: Random) -> int:
    near = rng.random() < 0.5
    return rng.randrange(max(1, min(len(content), HEAD_BYTES) if near else len(content)))


def _block(content: bytearray, rng: Random) -> slice:
    start = _place(content, rng)
    return slice(start, start + rng.choice((1, 2, 4, 16, 64, 256)))


def flip_bits(content: bytearray, rng: Random, _: bytes) -> None:
    """One to eight single bits."""
    for _number in range(rng.randint(1, 8)):
        content[_place(content, rng)] ^= 1 << rng.randrange(8)


def replace_bytes(content: bytearray, rng: Random, _: bytes) -> None:
    """A block of bytes of chance."""
    block = _block(content, rng)
    content[block] = rng.randbytes(len(content[block]))


def cut(content: bytearray, rng: Random, _: bytes) -> None:
    """The end is missing."""
    del content[rng.randrange(1, max(2, len(content))) :]


def remove(content: bytearray, rng: Random, _: bytes) -> None:
    """A block is missing."""
    del content[_block(content, rng)]


def insert(content: bytearray, rng: Random, _: bytes) -> None:
    """A block of bytes of chance comes in between."""
    at = _place(content, rng)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16, 64)))


def duplicate(content: bytearray, rng: Random, _: bytes) -> None:
    """A block stands twice, or many times."""
    block, at = _block(content, rng), _place(content, rng)
    content[at:at] = content[block] * rng.choice((1, 1, 2, 50))


def move(content: bytearray, rng: Random, _: bytes) -> None:
    """A block stands elsewhere."""
    block = _block(content, rng)
    taken = content[block]
    del content[block]
    at = _place(content, rng)
    content[at:at] = taken


def extreme_number(content: bytearray, rng: Random, _: bytes) -> None:
    """A length, size or offset becomes the least or the most that its field holds, or near that."""
    size, order = rng.choice((1, 2, 4, 8)), rng.choice(("little", "big"))
    value = (rng.choice(_EXTREMES) + rng.choice((-1, 0, 0, 1))) % 256**size
    at = _place(content, rng)
    content[at : at + size] = value.to_bytes(size, order)


def zero(content: bytearray, rng: Random, _: bytes) -> None:
    """A block of zeros, or all from a place on, as after a copy that broke off."""
    block = _block(content, rng) if rng.random() < 0.7 else slice(_place(content, rng), None)
    content[block] = bytes(len(content[block]))


def splice(content: bytearray, rng: Random, other: bytes) -> None:
    """The beginning of one file and the end of another."""
    content[_place(content, rng) :] = other[rng.randrange(len(other)) :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    replace_bytes,
    cut,
    remove,
    insert,
    duplicate,
    move,
    extreme_number,
    extreme_number,
    zero,
    splice,
)
"""Numbers twice: decoders take their memory and their loops from them."""
