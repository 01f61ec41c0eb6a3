r"""Bytes of a text as one printable line and back, in the notation that ``tokens`` both prints and reads.

    \n \r \t     line feed, carriage return, tab
    \\           a backslash
    \_           the mask's own character, where the text holds it; a bare _ is a token to be drawn
    \xNN         any byte, in two hexadecimal digits: controls, invisible characters, bytes that are not UTF-8

Everything else stands for itself. Why: docs/decisions/one-escaping.md.
"""

import itertools

from jdlm.errors import InputError

_NAMED = {"\n": "n", "\r": "r", "\t": "t"}
_BYTES = {letter: ord(character) for character, letter in _NAMED.items()} | {"\\": ord("\\")}
_HEX = frozenset("0123456789abcdefABCDEF")


def check_mask(mask: str) -> None:
    """Raises a ValueError unless ``mask`` is one printable character that neither begins nor ends an escape."""
    if len(mask) != 1 or not mask.isprintable() or mask in _BYTES or mask == "x":
        raise InputError(
            f"--mask {mask!r} is not one character that can stand for a token to be drawn; "
            r"use a printable one other than \, n, r, t and x"
        )


def line(content: bytes, mask: str = "_", encoding: str = "utf-8") -> str:
    r"""``content`` as one line of printable characters, from which :func:`parse` gives back every byte.

    Args:
      content: any bytes.
      mask: character that stands for a token to be drawn, and is escaped where ``content`` holds it.
      encoding: of the reader; what it cannot show is written as bytes.

    >>> print(line(b"a_b\n\xc3\xbc\xff"))
    a\_b\nü\xff
    """
    return "".join(_escaped(character, mask, encoding) for character in content.decode("utf-8", "surrogateescape"))


def _escaped(character: str, mask: str, encoding: str) -> str:
    if character in _NAMED:
        return "\\" + _NAMED[character]
    try:
        visible = character.isprintable() and character.encode(encoding) is not None
    except UnicodeEncodeError:
        visible = False
    if not visible:
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    return "\\" + character if character in ("\\", mask) else character


def parse(text: str, mask: str = "_") -> list[int | None]:
    r"""The bytes that a line stands for, the inverse of :func:`line`; None for each bare ``mask``.

    Raises:
      ValueError: a backslash that begins none of the escapes.

    >>> parse(r"a_\_\x00")
    [97, None, 95, 0]
    """
    values: list[int | None] = []
    place = 0
    while place < len(text):
        character, following = text[place], text[place + 1 : place + 2]
        place += 1
        if character == mask:
            values.append(None)
        elif character != "\\":
            values += character.encode("utf-8", "surrogateescape")
        elif following == mask:
            values += mask.encode()
            place += 1
        elif following in _BYTES:
            values.append(_BYTES[following])
            place += 1
        elif following == "x" and len(text) >= place + 3 and set(text[place + 1 : place + 3]) <= _HEX:
            values.append(int(text[place + 1 : place + 3], 16))
            place += 3
        else:
            shown = text[place - 1 : place + 3]
            raise InputError(
                f"--given holds {shown!r}, not an escape; write \\n, \\r, \\t, \\\\, \\{mask} or \\xNN (a byte)"
            )
    return values


def characters(values: list[int | None]) -> list[str | None]:
    """Bytes of UTF-8 as characters, None staying None.

    Raises:
      ValueError: bytes that form no character.

    >>> characters([97, None, 0xC3, 0xBC])
    ['a', None, 'ü']
    """
    found: list[str | None] = []
    for is_mask, group in itertools.groupby(values, key=lambda value: value is None):
        run = list(group)
        try:
            found += [None] * len(run) if is_mask else bytes(value for value in run if value is not None).decode()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise InputError(f"--given holds the byte \\x{byte:02x} of no whole character; give whole ones") from None
    return found
