# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a config's text. Only the lines that must change do; the rest keeps its place, its comments and its spelling.

A file in the old spelling is upgraded as a whole when anything else in it changes, and only then: LXC since 3.0 refuses a
file in it. Includes are neither followed nor changed: what is compared here is what this file itself says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional, Union

from ..errors import ConfigError
from . import keys, parser, writer

Value = Union[None, str, list[str]]


class _Line(NamedTuple):
    """`raw` without `match` is a comment or a blank line. `live` is false when a line below makes this one void."""

    raw: str
    match: Optional[keys.Match]
    value: str
    live: bool = True

    @property
    def name(self) -> str:
        return self.match.name if self.match else ""


def edit(text: str, changes: Mapping[str, Value], file: str = "config") -> str:
    """The text with these keys set. None takes a key's lines away, "" writes the line that clears it, a list is the whole list.

    What holds already changes nothing, whatever its spelling. Raises ConfigError for a value that LXC would refuse, alone
    or together with the rest of the file.
    """
    wanted = [(_find(name, file), value) for name, value in changes.items()]
    wanted.sort(key=lambda change: change[0].index >= 0 and change[0].suffix != "type")  # the other lines need the type
    before = _read(text, file)
    after = before
    for match, value in wanted:
        items = [] if value is None else value if isinstance(value, list) else [value]
        for item in items:
            keys.check_match(match, item, (file, 0))
        after = _mark(_change(after, match, items))
    return _written(text, before, after, file)


def replace_networks(text: str, sections: Sequence[Mapping[str, Value]], file: str = "config") -> str:
    """The text with exactly these networks, numbered from 0; each maps what stands behind `lxc.net.N.` to its value."""
    present = {line.match.index for line in _read(text, file) if line.match and line.match.index >= 0 and line.match.suffix}
    after = text
    for index in sorted(present - set(range(len(sections)))):
        after = _without_network(after, index, file)
    for index, section in enumerate(sections):
        said = {f"lxc.net.{index}.{word}": value for word, value in section.items() if value not in (None, "", [])}
        here = [key for key in values(after, file) if key.startswith(f"lxc.net.{index}.")]
        if values(after, file).get(f"lxc.net.{index}.type") != [said.get(f"lxc.net.{index}.type")]:
            after = _without_network(after, index, file) if here else after
            here = []
        after = edit(after, {**dict.fromkeys(here), **said}, file)
    return after


def values(text: str, file: str = "config") -> dict[str, list[str]]:
    """What this file itself says, includes apart: each key with its items, a line that clears as a first item "".

    Of a key that is not repeatable there is one, the last. Lines that a later one makes void are left out.
    """
    lines = _read(text, file)
    found: dict[str, list[str]] = {}
    for line in lines:
        if line.match and line.live and line.name not in found:
            found[line.name] = _present(lines, line.match)
    return found


def _find(name: str, file: str) -> keys.Match:
    match = keys.find(name)
    if match is None:
        raise ConfigError(file, 0, name, "LXC has no such key")
    return match


def _read(text: str, file: str) -> list[_Line]:
    """The file's lines; lxc.rootfs.backend and other keys that are gone have a match, but are never live."""
    return _mark([_Line(entry.raw, entry.match, entry.value) for entry in parser.parse(text, file).entries])


def _mark(lines: list[_Line]) -> list[_Line]:
    """Find out from the end which lines are void."""
    patterns: list[tuple[str, ...]] = []
    ended: set[str] = set()  # keys that stand below as their only value, or as the line that clears them
    marked = []
    for line in reversed(lines):
        live = False
        if line.match and line.match.key.kind != "dropped":
            live = line.name not in ended and not any(keys.is_voided(line.name, pattern) for pattern in patterns)
            patterns += filter(None, [keys.voided(line.match, line.value)])
            if not line.value or not line.match.key.many:
                ended.add(line.name)
        marked.append(line._replace(live=live))
    return marked[::-1]


def _present(lines: Sequence[_Line], match: keys.Match) -> list[str]:
    items: list[str] = []
    for line in lines:
        if line.live and line.name == match.name and line.match:
            items += keys.split(line.match.key, line.value) if line.value else [""]
    return items


def _normal(match: keys.Match, items: Sequence[str]) -> list[str]:
    """Items as `values` has them: words split, nothing before a line that clears, of a single value the last."""
    found: list[str] = []
    for item in items:
        if not item or not match.key.many:
            found = []
        found += keys.split(match.key, item) if item else [""]
    return found


def _same(match: keys.Match, one: list[str], other: list[str]) -> bool:
    if match.key.many in (keys.WORDS, keys.COMMAS) and not _is_ordered(match, one) and not _is_ordered(match, other):
        return sorted(set(one)) == sorted(set(other))
    return one == other


def _is_ordered(match: keys.Match, items: list[str]) -> bool:
    """Of most lists of words the order says nothing."""
    return match.name == "lxc.mount.auto" or "none" in items


def _change(lines: list[_Line], match: keys.Match, items: list[str]) -> list[_Line]:
    wanted, present = _normal(match, items), _present(lines, match)
    if not items:
        return [line for line in lines if line.name != match.name]
    if _same(match, wanted, present):
        return lines
    if match.key.many == keys.ONE or "" in wanted:
        return _rewrite(lines, match, wanted)
    if match.key.many == keys.LINES:
        return _change_lines(lines, match, wanted)
    return _change_words(lines, match, wanted)


def _rewrite(lines: list[_Line], match: keys.Match, wanted: list[str]) -> list[_Line]:
    """All lines of the key anew, in the place of the last one, but below the includes, which they have to override."""
    separator = "," if match.key.many == keys.COMMAS else " "
    rows = wanted if match.key.many in (keys.ONE, keys.LINES) else [*wanted[: wanted[0] == ""], separator.join(filter(None, wanted))]
    new = [value for position, value in enumerate(rows) if value or position == 0]
    here = [position for position, line in enumerate(lines) if line.live and line.name == match.name]
    kept = [line for line in lines if not (line.live and line.name == match.name)]
    if not here or _includes_below(lines, here[-1]):
        return _insert(kept, match, new)
    place = here[-1] - (len(here) - 1)
    return kept[:place] + [_with_value(lines[here[-1]], new[0])] + [_new(match, value) for value in new[1:]] + kept[place:]


def _change_lines(lines: list[_Line], match: keys.Match, wanted: list[str]) -> list[_Line]:
    """One item a line: the lines that stay keep their place, others are put between them."""
    import difflib

    here = [position for position, line in enumerate(lines) if line.live and line.name == match.name]
    present = [lines[position].value for position in here]
    if not present:
        return _insert(lines, match, wanted)
    replaced: dict[int, list[_Line]] = {}
    for kind, start, end, first, last in difflib.SequenceMatcher(None, present, wanted, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        new = [_new(match, value) for value in wanted[first:last]]
        for offset, position in enumerate(range(start, end)):
            if offset < len(new):
                new[offset] = _with_value(lines[here[position]], wanted[first + offset])
            replaced[here[position]] = []
        if start < end:
            replaced[here[start]] = new
        elif start < len(here):  # before a line that stays
            replaced[here[start]] = [*new, *replaced.get(here[start], [lines[here[start]]])]
        else:
            replaced[here[-1]] = [*replaced.get(here[-1], [_ended(lines[here[-1]])]), *new]
    return [new for position, line in enumerate(lines) for new in replaced.get(position, [line])]


def _change_words(lines: list[_Line], match: keys.Match, wanted: list[str]) -> list[_Line]:
    """Words: taken out of their lines; the new ones get a line of their own below."""
    if _is_ordered(match, wanted) or _is_ordered(match, _present(lines, match)):
        return _rewrite(lines, match, wanted)
    separator = "," if match.key.many == keys.COMMAS else " "
    found: list[_Line] = []
    missing = list(dict.fromkeys(wanted))
    for line in lines:
        if not (line.live and line.match and line.name == match.name):
            found.append(line)
            continue
        words = keys.split(match.key, line.value) if line.value else []
        kept = [word for word in words if word in wanted]
        missing = [word for word in missing if word not in kept]
        if kept:
            found.append(line if kept == words else _with_value(line, separator.join(kept)))
    return _insert(_mark(found), match, [separator.join(missing)]) if missing else found


def _insert(lines: list[_Line], match: keys.Match, new: list[str]) -> list[_Line]:
    """New lines: below the last of the same key, or of its network or family, when no include follows; else at the end."""
    rows = [_new(match, value) for value in new]
    for beginning in (match.name, match.name.rpartition(".")[0] + ".", f"lxc.net.{match.index}."):
        at = [
            place for place, line in enumerate(lines) if line.live and (line.name == beginning or line.name.startswith(_family(beginning)))
        ]
        if at and beginning != "lxc." and not _includes_below(lines, at[-1]):
            return lines[: at[-1]] + [_ended(lines[at[-1]])] + rows + lines[at[-1] + 1 :]
    if match.index >= 0 and match.suffix == "type":
        at = [place for place, line in enumerate(lines) if line.name.startswith("lxc.net.")]
        if at and not _includes_below(lines, at[-1]):
            return lines[: at[-1]] + [_ended(lines[at[-1]])] + rows + lines[at[-1] + 1 :]
    return ([*lines[:-1], _ended(lines[-1])] if lines else []) + rows


def _family(beginning: str) -> str:
    return beginning if beginning.endswith(".") else beginning + "\0"


def _includes_below(lines: Sequence[_Line], position: int) -> bool:
    return any(line.name == "lxc.include" for line in lines[position + 1 :])


def _new(match: keys.Match, value: str) -> _Line:
    return _Line(writer.line(match.name, value) + "\n", match, value)


def _ended(line: _Line) -> _Line:
    return line if line.raw.endswith("\n") else line._replace(raw=line.raw + "\n")


def _with_value(line: _Line, value: str) -> _Line:
    """The same line with another value, its blanks as they were."""
    head, _equals, rest = line.raw.partition("=")
    blank = rest[: len(rest) - len(rest.lstrip(" \t"))] if rest.strip() else " "
    end = "\n" if line.raw.endswith("\n") else ""
    return line._replace(raw=f"{head}={blank}{writer.quote(value)}{end}" if value else f"{head}={end}", value=value)


def _without_network(text: str, index: int, file: str) -> str:
    before = _read(text, file)
    after = [line for line in before if not line.name.startswith(f"lxc.net.{index}.")]
    return _written(text, before, after, file)


def _written(text: str, before: list[_Line], after: list[_Line], file: str) -> str:
    if [line.raw for line in after] == [line.raw for line in before]:
        return text
    new = "".join(_upgraded(line) for line in after)
    _check_whole(text, new, file)
    return new


def _upgraded(line: _Line) -> str:
    if not line.match or not line.match.legacy:
        return line.raw
    if line.match.key.kind == "dropped":
        return ""
    head, _equals, rest = line.raw.partition("=")
    indent = head[: len(head) - len(head.lstrip(" \t"))]
    blanks = head[len(head.rstrip(" \t")) :]
    if line.name == "lxc.rootfs.path":
        rest = _with_value(line, line.value).raw.partition("=")[2]
    return f"{indent}{line.name}{blanks}={rest}"


def _check_whole(before: str, after: str, file: str) -> None:
    """Lines can be good each and bad together. A file that was bad before may be mended in steps."""
    try:
        _load(before, file)
    except ConfigError:
        return
    _load(after, file)


def _load(text: str, file: str) -> None:
    config = parser.Config()
    for entry in parser.parse(text, file).entries:
        if entry.match and entry.key != "lxc.include" and entry.match.key.kind != "dropped":
            config.set(entry.match, entry.value, entry.where)
