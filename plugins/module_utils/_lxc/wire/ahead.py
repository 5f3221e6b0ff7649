# Copyright: (c) 2026, hostkit contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to many containers, sent before their answers are needed: who has to answer does so while we do something else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from ..errors import LxcError
from ..paths import Container
from .exchange import Ask, NoReply, Reply, ask
from .protocol import Command
from .several import Pending, Several

_AHEAD = 16  # containers; each question holds a descriptor

Question = tuple[Command, bytes, int]  # a request that changes nothing: with its payload, and how many descriptors it may bring


class _Asked:
    """The questions to one container. What failed to be sent is asked again when its answer is needed, and then says why it fails."""

    def __init__(self, container: Container, questions: Sequence[Question]) -> None:
        self._several = Several(container)
        self._pending: dict[tuple[Command, bytes], Pending] = {}
        try:
            for question in questions:
                self._pending[question[:2]] = self._several.send(*question)
        except LxcError:
            return

    def ask(self, container: Container, command: Command, timeout: float, *, payload: bytes = b"", max_fds: int = 0) -> Reply:
        """As `exchange.ask`, for this container. An answer is read once: who asks for the same again gets a new one."""
        pending = self._pending.pop((command, payload), None)
        if pending:
            try:
                return pending()
            except NoReply:  # its monitor may have been replaced meanwhile
                pass
        return ask(container, command, timeout, payload=payload, max_fds=max_fds)

    def close(self) -> None:
        self._several.close()


def each(containers: Sequence[Container], questions: Sequence[Question]) -> Iterator[Ask]:
    """For each container in turn what takes the place of `exchange.ask`; the answers that nobody reads are dropped."""
    waiting: deque[_Asked] = deque()
    rest = iter(containers)
    try:
        for _container in containers:
            for following in rest:
                waiting.append(_Asked(following, questions))
                if len(waiting) >= _AHEAD:
                    break
            asked = waiting.popleft()
            try:
                yield asked.ask
            finally:
                asked.close()
    finally:
        for asked in waiting:
            asked.close()
