# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a config's text. Only the lines that must change do; the rest keeps its place, its comments and its spelling.

A file in the old spelling is upgraded as a whole when anything else in it changes, and only then: LXC since 3.0 refuses
a file in it. Includes are neither followed nor changed: what is compared here is what this file itself says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

from ..errors import ConfigError
from . import keys, lines, parser
from .lines import Line, values
from .lines import items as _items
from .model import Config

Value = Union[None, str, list[str]]


def edit(text: str, changes: Mapping[str, Value], file: str = "config") -> str:
    """The text with these keys set. None takes a key's lines away, "" writes the line that clears it, a list is the whole list.

    What holds already changes nothing, whatever its spelling. None takes lines away whose key LXC does not have, too. Raises
    ConfigError for a value that LXC would refuse, alone or together with the rest of the file, and for such a line that is left.
    """
    if not changes:
        return text
    wanted = [(_find(name, file), value) for name, value in changes.items() if value is not None or keys.find(name)]
    before = lines.read(text, file)
    replaced = {*changes, *(match.name for match, _value in wanted)}
    after = [line for line in before if not line.unknown or line.unknown not in replaced]
    for match, value in wanted:
        items = [] if value is None else value if isinstance(value, list) else [value]
        for item in items:
            keys.check_match(match, item, (file, 0))
        after = lines.mark(_change(after, match, items))
    return _written(text, before, after, file)


def replace_networks(text: str, sections: Sequence[Mapping[str, Value]], file: str = "config") -> str:
    """The text with exactly these networks, numbered from 0; each maps what stands behind `lxc.net.N.` to its value."""
    present = {line.match.index for line in lines.read(text, file) if line.match and line.match.index >= 0}
    after = text
    for index in sorted(present - set(range(len(sections)))):
        after = _without_network(after, index, file)
    for index, section in enumerate(sections):
        prefix = f"lxc.net.{index}."
        said = {prefix + word: value for word, value in section.items() if value}
        here = {key: items for key, items in values(after, file).items() if key.startswith(prefix)}
        if here and here.get(prefix + "type") != [said.get(prefix + "type")]:
            after, here = _without_network(after, index, file), {}
        after = edit(after, {**dict.fromkeys(here), **said}, file)
    return after


def _find(name: str, file: str) -> keys.Match:
    match = keys.find(name)
    if match is None:
        raise ConfigError(file, 0, name, "LXC has no such key")
    return match


def _normal(match: keys.Match, items: Sequence[str]) -> list[str]:
    """Items as `values` has them: words split, nothing before one that clears, of a single value the last."""
    found: list[str] = []
    for item in items:
        if not item or not match.key.many:
            found = []
        found += keys.split(match.key, item) if item else [""]
    return found


def _is_ordered(match: keys.Match, *lists: list[str]) -> bool:
    """Of most lists of words the order says nothing."""
    return match.key.many == keys.LINES or match.name == "lxc.mount.auto" or any("none" in items or "" in items for items in lists)


def _change(before: list[Line], match: keys.Match, items: list[str]) -> list[Line]:
    if not items:
        return [line for line in before if line.name != match.name]
    wanted = _normal(match, items)
    present = [item for line in before if line.says(match.name) for item in _items(line)]
    ordered = not match.key.many or _is_ordered(match, wanted, present)
    if wanted == present:
        return before
    if "" in present and "" not in wanted:  # without that line, those that it clears would count again
        before = [line for line in before if line.live or line.name != match.name]
    if not match.key.many or "" in wanted or (ordered and match.key.many != keys.LINES):
        return _rewrite(before, match, wanted)
    return _change_lines(before, match, wanted) if match.key.many == keys.LINES else _change_words(before, match, wanted)


def _separator(match: keys.Match) -> str:
    return "," if match.key.many == keys.COMMAS else " "


def _rewrite(before: list[Line], match: keys.Match, wanted: list[str]) -> list[Line]:
    """All lines of the key anew in the place of the last one, or at the end, below the includes that they have to override."""
    rows = wanted
    if match.key.many in (keys.WORDS, keys.COMMAS):
        clear = [""] if wanted[0] == "" else []
        rows = clear + [_separator(match).join(wanted[len(clear) :])] * (len(wanted) > len(clear))
    here = [place for place, line in enumerate(before) if line.says(match.name)]
    if not here or lines.includes_below(before, here[-1]):
        return lines.insert(lines.mark([line for line in before if not line.says(match.name)]), match, rows)
    first = lines.with_value(before[here[-1]], rows[0])
    rest = [lines.new(match, value) for value in rows[1:]]
    new = [lines.ended(first), *rest] if rest else [first]
    above = [line for line in before[: here[-1]] if not line.says(match.name)]
    return above + new + before[here[-1] + 1 :]


def _change_lines(before: list[Line], match: keys.Match, wanted: list[str]) -> list[Line]:
    """One item a line: the lines that stay keep their place, the others are changed where they stand or put between."""
    import difflib

    here = [place for place, line in enumerate(before) if line.says(match.name)]
    if not here:
        return lines.insert(before, match, wanted)
    replaced = {place: [before[place]] for place in here}
    present = [before[place].value for place in here]
    for kind, start, end, first, last in difflib.SequenceMatcher(None, present, wanted, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        new = [lines.new(match, value) for value in wanted[first:last]]
        if start == end == len(here):
            replaced[here[-1]] = [*map(lines.ended, replaced[here[-1]]), *new]
        elif start == end:
            replaced[here[start]] = [*new, *replaced[here[start]]]
        else:
            for offset in range(min(end - start, len(new))):
                new[offset] = lines.with_value(before[here[start + offset]], wanted[first + offset])
            replaced.update({place: [] for place in here[start:end]})
            replaced[here[start]] = [*map(lines.ended, new[:-1]), *new[-1:]]
    return [line for place, old in enumerate(before) for line in replaced.get(place, [old])]


def _change_words(before: list[Line], match: keys.Match, wanted: list[str]) -> list[Line]:
    """Words are taken out of their lines; the new ones get a line of their own below."""
    found: list[Line] = []
    missing = list(dict.fromkeys(wanted))
    for line in before:
        if not line.says(match.name):
            found.append(line)
            continue
        words = _items(line)
        kept = [word for word in words if word in wanted]
        missing = [word for word in missing if word not in kept]
        if kept:
            found.append(line if kept == words else lines.with_value(line, _separator(match).join(kept)))
    return lines.insert(lines.mark(found), match, [_separator(match).join(missing)]) if missing else found


def _without_network(text: str, index: int, file: str) -> str:
    before = lines.read(text, file)
    after = [line for line in before if not f"{line.name}.".startswith(f"lxc.net.{index}.")]
    return _written(text, before, after, file)


def _written(text: str, before: list[Line], after: list[Line], file: str) -> str:
    is_same = [line.raw for line in after] == [line.raw for line in before]
    new = text if is_same else "".join(map(lines.upgraded, after))
    _check_keys(new, file)
    if not is_same:
        _check_whole(text, new, file)
    return new


def _check_keys(text: str, file: str) -> None:
    problems: list[ConfigError] = []
    entries = parser.parse(text, file, problems).entries
    if problems:
        bad = {problem.line for problem in problems}
        named = dict.fromkeys(entry.unknown for entry in entries if entry.line in bad)
        problems[0].hint = "Set to null, a key's lines are removed: " + ", ".join(f"{key}: null" for key in named)
        raise problems[0]


def _check_whole(before: str, after: str, file: str) -> None:
    """Lines can be good each and bad together. A file that was bad before may be mended in steps."""
    try:
        _load(before, file)
    except ConfigError:
        return
    _load(after, file)


def _load(text: str, file: str) -> None:
    config = Config()
    for entry in parser.parse(text, file).entries:
        if entry.match and entry.key != "lxc.include" and entry.match.key.kind != "dropped":
            config.set(entry.match, entry.value, entry.where)
