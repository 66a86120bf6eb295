"""Real CIFs, damaged: each kind of damage is a function of random numbers and a CIF's text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")
Damage = Callable[["Draw", str], str | bytes]

NUMBER = re.compile(r"(?<=[\s])-?\d+\.\d+(?=\s)")
NUMBERS = (
    "1e308", "1e-308", "1e999", "NaN", "nan", "inf", "-inf", "-1", "0", "-0.0", "1e6", "9" * 400,
    "9" * 5000,
    "0." + "3" * 5000, "1/" + "9" * 400, "9" * 5000 + "/7", "1/0", "0x1p3", "1(2(3(4)))",
    "1.5((((((", "1.5)", "1.5(99999999999999999999)", "1,5", "--1", "1e", "+", "?", ".", "١٢",
    "½", "1_000", "$save", "[1 2 3]", "{'a':1}",
)  # fmt: skip
CELLS = ("0", "-5.4", "1e-9", "0.51", "1e6", "999.9", "1e308", "NaN", "?", "180", "5.01", "174.9")
SYMBOLS = (
    "P 9/m", "Xyzzy", "P", "1", "", " ", "Fm3m Fm3m", "F m -3 m :3", "R 3 :Q", "P 1 21/c 1 1", "-",
    "/", "((((", "P 2_1_1_1", "I 4/a m d:9", "Q" * 300, "F m " * 300, "☃", "\x1b[31mP1",
)  # fmt: skip
HALLS = ("-F 4 2 3 (((", "P 2 2 2 2 2 2", "-P 9", "F 4d 2 3 -1d 7", "P 4w 4n 4v", "?" * 50, "C")
TRIPLETS = (
    "x,y", "x,y,z,w", "x+1e9,y,z", "x+999999999,y-1e12,z", "x+1/0,y,z", "0,0,0", "x,x,x",
    "2x,y/2,z", "x+9y,y,z", "x+y+z+x+y+z,y,z", "x,,z", "", ",,",
    "-x" * 2000 + ",y,z", "x,y,z+" + "9" * 5000,
    "x+0.123456789,y,z", "1e400x,y,z", "a,b,c", "x;y;z", "x,y,z'", "+,+,+", "x,y,🜁",
    "0.5x,2y,z", "y,x,z+1/7", "-y,x-y,z", "z,x,y",
)  # fmt: skip
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp037", "utf-7")
FOREIGN = "Åkermänite 石英 кварц 🜚 \u202e \u2028 \x85 \x1b[2J"
ATOMS = "\nloop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"


@dataclass(frozen=True)
class Draw:
    """Random numbers, and how large the largest damage gets.

    Attributes:
        rng: all that is drawn.
        length: of the longest names, in characters.
        rows: of the longest loops.
    """

    rng: np.random.Generator
    length: int = 20_000
    rows: int = 2_000

    def one(self, options: Sequence[_T]) -> _T:
        """Any of some."""
        return options[int(self.rng.integers(len(options)))]

    def place(self, length: int) -> int:
        """A position from 0 to `length`."""
        return int(self.rng.integers(length + 1))


def dressed(draw: Draw, text: str) -> str:
    """The CIF with what published ones have besides: authors, a text field, displacements."""
    more = (
        "_publ_section_title\n;\n A structure; with 'quotes' and \"quotes\"\n;\n"
        "_journal_year 1987\n_chemical_name_mineral 'Some name'\n"
        "loop_\n_publ_author_name\n'Doe, J.'\n'Roe, R.'\n"
    )
    labels = re.findall(r"^([A-Z][a-z]?\d+) ", text, re.MULTILINE)
    tags = "".join(f"_atom_site_aniso_U_{pair}\n" for pair in ("11", "22", "33", "12", "13", "23"))
    rows = "".join(f"{label} 0.01 0.01 0.01 0.0 0.0 0.0\n" for label in labels)
    if labels and draw.rng.random() < 0.5:
        more += f"loop_\n_atom_site_aniso_label\n{tags}{rows}"
    return text + more if draw.rng.random() < 0.8 else text


def _cut(draw: Draw, text: str) -> str:
    return text[: draw.place(len(text))]


def _middle_missing(draw: Draw, text: str) -> str:
    first, last = sorted((draw.place(len(text)), draw.place(len(text))))
    return text[:first] + text[last:]


def _lines_swapped(draw: Draw, text: str) -> str:
    lines = text.splitlines()
    for _ in range(int(draw.rng.integers(1, 6))):
        a, b = draw.place(len(lines) - 1), draw.place(len(lines) - 1)
        lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


def _lines_shuffled(draw: Draw, text: str) -> str:
    return "\n".join(draw.rng.permutation(text.splitlines()).tolist())


def _ragged(draw: Draw, text: str) -> str:
    """A few words dropped or doubled, so that loops no longer come out even."""
    words = re.split(r"(\s+)", text)
    for _ in range(int(draw.rng.integers(1, 4))):
        at = draw.place(len(words) - 1)
        words[at] = draw.one(("", f"{words[at]} {words[at]}"))
    return "".join(words)


def _bytes_flipped(draw: Draw, text: str) -> bytes:
    content = bytearray(text.encode())
    for _ in range(int(draw.rng.integers(1, 20))):
        content[draw.place(len(content) - 1)] = int(draw.rng.integers(256))
    return bytes(content)


def _absurd_numbers(draw: Draw, text: str) -> str:
    often = draw.one((0.05, 0.3, 1.0))
    value = draw.one(NUMBERS)

    def instead(match: re.Match[str]) -> str:
        return value if draw.rng.random() < often else match[0]

    return NUMBER.sub(instead, text)


def _absurd_cell(draw: Draw, text: str) -> str:
    tag = draw.one(("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"))
    which = draw.one((tag, r"length_\w", r"angle_\w+"))
    value = draw.one(CELLS)
    return re.sub(rf"(_cell_{which}\s+)\S+", lambda match: match[1] + value, text)


def _absurd_occupancy(draw: Draw, text: str) -> str:
    value = draw.one(("-1", "0", "1e308", "NaN", "17", "1e-300", "1/3", "1.00(99)"))
    return re.sub(r"( )1( \S+)$", lambda m: f"{m[1]}{value}{m[2]}", text, flags=re.MULTILINE)


def _encoded(draw: Draw, text: str) -> bytes:
    encoding = draw.one(ENCODINGS)
    content = re.sub("Some name", FOREIGN if encoding != "cp037" else "Åkermänite", text)
    return content.encode(encoding, errors="replace")


def _encodings_mixed(draw: Draw, text: str) -> bytes:
    at = draw.place(len(text))
    first, second = draw.one(ENCODINGS), draw.one(("latin-1", *ENCODINGS))
    foreign = FOREIGN.encode("utf-8") + "Åkermänite\n".encode("latin-1")
    return text[:at].encode(first) + foreign + text[at:].encode(second, errors="replace")


def _null_bytes(draw: Draw, text: str) -> bytes:
    at = draw.place(len(text))
    many = draw.one((1, 7, 4096))
    return text[:at].encode() + bytes(many) + text[at:].encode()


def _never_closed(draw: Draw, text: str) -> str:
    at = draw.place(len(text))
    return (
        text[:at]
        + draw.one(("'", '"', "\n;", "\n;\n;\n;", "'''", '"""', "[", "{", "#"))
        + text[at:]
    )


def _long_name(draw: Draw, text: str) -> str:
    long = draw.one(("A", "Fe", "x ", "0", "(", "-x", "é", "🜚", "' ", "data_", "\\")) * draw.length
    long = long[: int(draw.length * draw.rng.uniform(0.1, 1.0))]
    what, instead = draw.one((
        (r"^data_\S*", f"data_{long}"),
        (r"'Some name'", f"\n;{long}\n;\n"),
        (r"'Some name'", long),
        (r"'Doe, J\.'", f'"{long}"'),
        (r"^([A-Z][a-z]?1) ", f"{long} "),
        (r"^(\S+) [A-Z][a-z]? ", f"X1 {long} "),
        (r"(_H-M_alt\s+).*", f"_H-M_alt '{long}'"),
        (r"'x,y,z'", f"'{long}'"),
        (r"'x,y,z'", f"'x,y,z+{long}'"),
        (r"(_length_a\s+)\S+", f"_length_a {long}"),
        (r"(_IT_number\s+)\S+", f"_IT_number {long}"),
        (r"^loop_", f"_{long} 1\nloop_"),
        (r"_formula_sum.*", f"_formula_sum '{long}'"),
        (r"^loop_", f"{long}\nloop_"),
    ))  # fmt: skip
    return re.sub(what, lambda _: instead, text, count=1, flags=re.MULTILINE)


def _spaces(draw: Draw, text: str) -> str:
    run = draw.one((" ", "\t", "\r", "\n", "0 ", "x y z ", ", ", "-", ";")) * draw.length
    at = draw.place(len(text))
    return text[:at] + run + draw.one(("", "x,", "_", "'")) + text[at:]


def _operations(draw: Draw, text: str) -> str:
    """Some operations exchanged for others that are none, or thousands of them added."""
    many = draw.one((0, 1, 3, 50, 700, draw.rows))
    added = "".join(f"'{draw.one(TRIPLETS)}'\n" for _ in range(1 + many % 10))
    shifts = "".join(f"'x+{k}/{many},y,z'\n" for k in range(1, many))
    return text.replace("'x,y,z'\n", f"'x,y,z'\n{draw.one((added, shifts, shifts + added))}", 1)


def _symbol(draw: Draw, text: str) -> str:
    """A space group that is none; half of the time nothing else says what it may be."""
    if draw.rng.random() < 0.5:
        text = _without_operations(text)
        text = re.sub(r"_space_group_IT_number.*\n", "", text)
    symbol = draw.one(SYMBOLS)
    text = re.sub(r"(_space_group_name_H-M_alt\s+).*", lambda m: f'{m[1]}"{symbol}"', text)
    if draw.rng.random() < 0.3:
        text = text.replace("loop_", f'_space_group_name_Hall "{draw.one(HALLS)}"\nloop_', 1)
    return text


def _contradiction(draw: Draw, text: str) -> str:
    """Number, symbol and operations of different groups."""
    if draw.rng.random() < 0.5:
        text = _without_operations(text)
    number = draw.one(("0", "231", "-1", "227", "1", "1e9", "2.5", "NaN"))
    symbol = draw.one(("F m -3 m", "P 1", "R -3 c", "R -3 c :R", "P 63/m m c", "I 41/a m d"))
    text = re.sub(r"(_IT_number\s+)\S+", lambda m: m[1] + number, text)
    return re.sub(r"(_H-M_alt\s+).*", lambda m: f"{m[1]}'{symbol}'", text)


def _without_operations(text: str) -> str:
    return re.sub(r"loop_\n_space_group_symop_operation_xyz\n(?:'.*'\n)*", "", text)


def _many_sites(draw: Draw, text: str) -> str:
    count = draw.one((300, draw.rows, 10 * draw.rows))
    head = text.partition("loop_\n_atom_site_label")[0]
    shape = draw.one(("random", "plane", "one place", "grid", "heap"))
    places = draw.rng.random((count, 3))
    if shape == "plane":
        places[:, :2] = 0.25
    elif shape == "one place":
        places[:] = 0.125
    elif shape == "grid":
        edge = round(count ** (1 / 3))
        places = np.stack(np.unravel_index(np.arange(edge**3), (edge,) * 3), axis=1) / edge
    elif shape == "heap":
        places *= 1e-3
    rows = "".join(f"C{i} {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(places))
    if draw.rng.random() < 0.5:
        head = re.sub(r"(_length_\w\s+)\S+", lambda m: m[1] + draw.one(("20", "60", "999")), head)
    return head + ATOMS + rows


def _doubled(draw: Draw, text: str) -> str:
    lines = text.splitlines(keepends=True)
    part = "".join(lines[draw.place(len(lines)) :])
    return draw.one((text * 2, text * 50, text + part, text + text.replace("data_", "data_b", 1)))


def _nested(draw: Draw, text: str) -> str:
    depth = draw.one((1, 30, draw.rows))
    opened = draw.one(
        ("save_a\n", "loop_\n", "data_\n", "global_\n", "stop_\n", "loop_\n_a\n", "[")
    )
    at = draw.one((0, len(text) // 2, len(text)))
    at = text.find("\n", at) + 1
    return text[:at] + opened * depth + text[at:]


def _tags_exchanged(draw: Draw, text: str) -> str:
    """Values under tags that they are not of, tags without values, values without tags."""
    tags = sorted(set(re.findall(r"^_\S+", text, re.MULTILINE)))
    a, b = draw.one(tags), draw.one(tags)
    with_what = draw.one((b, "", f"{b} {a}", "_" * 50, a.upper(), a.replace("_", ".", 2)))
    return text.replace(a, with_what)


def _elements(draw: Draw, text: str) -> str:
    symbol = draw.one(("Xx", "?", "Q", "D", "Og", "Uue", "5", "Fe9999999999+", "☃", "C" * 300, "."))
    return re.sub(
        r"^[A-Z][a-z]?(\d+) [A-Z][a-z]? ",
        lambda m: f"{symbol}{m[1]} {symbol} ",
        text,
        flags=re.MULTILINE,
    )


def _something_else(draw: Draw, _text: str) -> bytes:
    return draw.one((
        b"", b"\n", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"data_", b"data_\n", b"loop_",
        b"#" * 5000, b"<html><body>404</body></html>", b'{"data": []}', b"PK\x03\x04 not a zip",
        b"%PDF-1.7\n\x80", draw.rng.bytes(3000), b"CRYST1 10.0 10.0 10.0\n", b";\n" * 999,
    ))  # fmt: skip


def _several(draw: Draw, text: str) -> str | bytes:
    """Two or three of the other kinds, one after another."""
    kinds = [kind for name, kind in KINDS.items() if name not in ("several", "something else")]
    for _ in range(int(draw.rng.integers(2, 4))):
        damaged = draw.one(kinds)(draw, text)
        if isinstance(damaged, bytes):
            return damaged
        text = damaged if len(damaged) > 50 else text
    return text


KINDS: dict[str, Damage] = {
    "cut": _cut,
    "middle missing": _middle_missing,
    "lines swapped": _lines_swapped,
    "lines shuffled": _lines_shuffled,
    "ragged loops": _ragged,
    "bytes flipped": _bytes_flipped,
    "absurd numbers": _absurd_numbers,
    "absurd cells": _absurd_cell,
    "absurd occupancies": _absurd_occupancy,
    "wrong encodings": _encoded,
    "mixed encodings": _encodings_mixed,
    "null bytes": _null_bytes,
    "never closed": _never_closed,
    "long names": _long_name,
    "runs of blanks": _spaces,
    "exploding symmetry": _operations,
    "nonsense symbols": _symbol,
    "contradicting symmetry": _contradiction,
    "many sites": _many_sites,
    "doubled": _doubled,
    "nested": _nested,
    "tags exchanged": _tags_exchanged,
    "strange elements": _elements,
    "something else": _something_else,
    "several": _several,
}


def broken_cifs(
    texts: Sequence[str], count: int, *, seed: int, length: int = 20_000, rows: int = 2_000
) -> Iterator[tuple[str, bytes]]:
    """So many damaged CIFs, the kinds in turn: each kind's name and the file's content.

    Args:
        texts: of CIFs that are whole.
        count: how many to make.
        seed: the same makes the same files.
        length: of the longest names, in characters.
        rows: of the longest loops of operations; loops of sites are ten times as long.
    """
    names = list(KINDS)
    for number in range(count):
        draw = Draw(np.random.default_rng((seed, number)), length, rows)
        kind = names[number % len(names)]
        damaged = KINDS[kind](draw, dressed(draw, draw.one(texts)))
        yield kind, damaged if isinstance(damaged, bytes) else damaged.encode(errors="replace")


def giants(text: str, size: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Files of about `size` bytes: what each is full of, and its content in pieces.

    Args:
        text: of a CIF that is whole.
        size: of each, in bytes.
    """
    head, loop, sites = text.partition("loop_\n_atom_site_label")
    symbol = re.sub(r"_H-M_alt.*", "_H-M_alt '", head)
    between = {
        "name of a block": ("data_", "x", "\n" + text.partition("\n")[2]),
        "name of a mineral": (f"{text}_chemical_name_mineral '", "Name", "'\n"),
        "label of a site": (head + ATOMS, "Fe", "1 0 0 0\n"),
        "formula": (f"{text}_chemical_formula_sum '", "Fe ", "'\n"),
        "symbol": (symbol.partition("_H-M_alt '")[0] + "_H-M_alt '", "P m ", f"'\n{loop}{sites}"),
        "operation": (text.partition("'x,y,z'")[0] + "'x,y,z", "+x-x", f"'\n{loop}{sites}"),
        "text field": (f"{text}_note\n;\n", "a line of text\n", "\n;\n"),
        "text field never closed": (f"{text}_note\n;\n", "a line of text\n", ""),
        "blanks": (f"{text}'never closed\n", " ", "\n"),
        "atom sites": (head + ATOMS, "C1 0.25 0.25 0.25\n", ""),
        "operations": (f"{head}loop_\n_symmetry_equiv_pos_as_xyz\n", "'x,y,z+1/7'\n", loop + sites),
        "authors": (f"{text}loop_\n_publ_author_name\n", "'Doe, J.'\n", ""),
        "displacements": (
            f"{text}loop_\n_atom_site_aniso_label\n_atom_site_aniso_U_11\n", "C1 0.01\n", ""
        ),
        "tags": (text, "_a 1\n", ""),
        "tags of a loop": (f"{text}loop_\n", "_a\n", "1\n"),
        "blocks": (text, "data_a\n", ""),
        "broken blocks": (text, "data_a\n_b\n", ""),
        "null bytes": (text, "\0", ""),
        "characters of four bytes": (f"{text}_note '", "🜁", "'\n"),
    }  # fmt: skip
    for full_of, (before, piece, after) in between.items():
        yield full_of, _pieces(before.encode(), piece.encode(), after.encode(), size)


def _pieces(before: bytes, piece: bytes, after: bytes, size: int) -> Iterator[bytes]:
    yield before
    block = piece * max(2**20 // len(piece), 1)
    for start in range(0, size, len(block)):
        yield block[: (size - start) // len(piece) * len(piece)]
    yield after
