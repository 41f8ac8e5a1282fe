"""How much of all answers under way may lie in memory at once."""

from __future__ import annotations


class BodyBudget:
    """Bytes that the answers under way may hold together, counted as they are decompressed.

    Half of it is divided among the lanes, so that large answers of others never make a small one fail; the other half
    goes to whoever comes first.

    Args:
        total_bytes: The bound.
        lanes: How many answers can be under way.
    """

    __slots__ = ("_free", "_own", "total_bytes")

    def __init__(self, total_bytes: int, lanes: int) -> None:
        self.total_bytes = total_bytes
        self._own = total_bytes // (2 * lanes)
        self._free = total_bytes - self._own * lanes

    def take(self, held: int, more: int) -> bool:
        """Let an answer that holds `held` bytes grow by `more`; return whether there is room for it."""
        wanted = max(0, held + more - self._own) - max(0, held - self._own)
        if wanted > self._free:
            return False
        self._free -= wanted
        return True

    def give_back(self, held: int) -> None:
        """Take note that an answer that held so many bytes is out of the transport's hands."""
        if held > self._own:
            self._free += held - self._own
