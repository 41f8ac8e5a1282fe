"""Many requests in flight from one thread: one libcurl multi handle, driven by epoll.

No thread per connection, so no queueing for the interpreter lock between an answer and its time stamp. libcurl tells
which sockets it waits for; epoll wakes this thread when one is ready; libcurl then reads and stamps in C. A request is
sent within `start` itself.
"""

from __future__ import annotations

import select
import time
from types import TracebackType
from typing import Any

import pycurl

from automl_bench.contract import HttpRequest
from automl_bench.transport.exchange import Exchange
from automl_bench.transport.lane import Lane
from automl_bench.transport.options import TransportOptions

_NOT_BLOCKED_NS = 20_000  # a poll that took less had its events ready when it began
_SPARE_CONNECTIONS = 4
_FINE_WAIT_SECONDS = 0.1
_SELECT_DESCRIPTORS = 1024  # FD_SETSIZE


class MultiTransport:
    """Sends up to `connections` requests at once. Not thread-safe; belongs to one process.

    Each request in flight has a connection of its own, with HTTP/2 too: streams on one connection would share its
    send window, and one slow answer could hold up the others' clocks.

    Args:
        options: What holds for every request.
        connections: How many requests may be in flight.

    Raises:
        InvalidSetting: The CA bundle cannot be read.
    """

    def __init__(self, options: TransportOptions, connections: int) -> None:
        if connections < 1:
            raise ValueError(f"connections must be at least 1, not {connections}")
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, 0)
        # Otherwise libcurl keeps four times the handles under way at the moment, and closes connections in a lull.
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections + _SPARE_CONNECTIONS)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._looked_ns = time.monotonic_ns()
        self._lanes = [Lane(options, number) for number in range(connections)]
        self._lane_of = {lane.handle: lane for lane in self._lanes}
        self._free = self._lanes[::-1]
        self._closed = False

    @property
    def free(self) -> int:
        """How many more requests may be started now."""
        return len(self._free)

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return len(self._lanes) - len(self._free)

    def start(
        self, request: HttpRequest, tag: Any, scheduled_ns: int | None = None, *, new_connection: bool = False
    ) -> None:
        """Send a request now; over a reused connection its first bytes have left when this returns.

        Args:
            request: What to send.
            tag: Comes back with the exchange.
            scheduled_ns: When it should have been sent, by `time.monotonic_ns`; kept in its timing.
            new_connection: Open a new connection for it, with everything a new process would pay for.

        Raises:
            RuntimeError: Every handle is in use: see `free`.
            ContractViolation: A header cannot be sent.
        """
        if not self._free:
            raise RuntimeError(f"all {len(self._lanes)} connections are in use")
        lane = self._free[-1]
        lane.load(request, tag, scheduled_ns, new_connection=new_connection)
        self._free.pop()
        self._multi.add_handle(lane.handle)
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def wait(self, timeout_seconds: float) -> list[tuple[Any, Exchange]]:
        """Wait until at least one request has ended, or for `timeout_seconds`.

        Signal handlers run while this waits, so Ctrl-C comes through at once.

        Returns:
            Tag and exchange of every request that has ended since; empty if none has.
        """
        done = self._collect(0)
        if done:
            return done
        multi, watched = self._multi, self._watched
        act = multi.socket_action
        deadline_ns = time.monotonic_ns() + int(timeout_seconds * 1e9)
        while True:
            before_ns = time.monotonic_ns()
            seconds = (deadline_ns - before_ns) / 1e9
            due_ms = multi.timeout()
            if 0 <= due_ms < seconds * 1000:
                seconds = due_ms / 1000
            events = self._poll(seconds)
            now_ns = time.monotonic_ns()
            blocked = now_ns - before_ns > _NOT_BLOCKED_NS
            unseen_ns = 0 if blocked else now_ns - self._looked_ns
            self._looked_ns = now_ns
            for descriptor, mask in events:
                if not watched.get(descriptor):
                    self._forget(descriptor)
                    continue
                bits = (mask & select.EPOLLIN and pycurl.CSELECT_IN) | (mask & select.EPOLLOUT and pycurl.CSELECT_OUT)
                if mask & (select.EPOLLERR | select.EPOLLHUP):
                    bits |= pycurl.CSELECT_ERR
                act(descriptor, bits)
            if not events:
                act(pycurl.SOCKET_TIMEOUT, 0)
            done = self._collect(unseen_ns)
            if done or now_ns >= deadline_ns:
                return done

    def _poll(self, seconds: float) -> list[tuple[int, int]]:
        """Wait for sockets. epoll counts whole milliseconds only, too coarse for a schedule; `select` counts
        microseconds, and an epoll set is itself a descriptor that it can wait for."""
        if 0 < seconds < _FINE_WAIT_SECONDS and self._epoll.fileno() < _SELECT_DESCRIPTORS:
            select.select((self._epoll,), (), (), seconds)
            seconds = 0.0
        return self._epoll.poll(max(seconds, 0.0))

    def _collect(self, unseen_ns: int) -> list[tuple[Any, Exchange]]:
        _, whole, broken = self._multi.info_read()
        if not whole and not broken:
            return []
        done = []
        for handle in whole:
            self._multi.remove_handle(handle)
            lane = self._lane_of[handle]
            tag = lane.tag
            done.append((tag, lane.finish(0, "", unseen_ns)))
            self._free.append(lane)
        for handle, number, detail in broken:
            self._multi.remove_handle(handle)
            lane = self._lane_of[handle]
            tag = lane.tag
            done.append((tag, lane.finish(number, detail, unseen_ns)))
            self._free.append(lane)
        return done

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        """libcurl says what it wants to know of a socket (CURLMOPT_SOCKETFUNCTION).

        A socket stays registered while its connection idles: one system call less for each request. `modify` fails if
        the number has gone to a new socket meanwhile, as closing takes a socket out of the epoll set.
        """
        if what == pycurl.POLL_REMOVE:
            self._watched[descriptor] = 0
            return
        mask = (what & pycurl.POLL_IN and select.EPOLLIN) | (what & pycurl.POLL_OUT and select.EPOLLOUT)
        self._watched[descriptor] = mask
        try:
            self._epoll.modify(descriptor, mask)
        except FileNotFoundError:
            self._epoll.register(descriptor, mask)

    def _forget(self, descriptor: int) -> None:
        """An idle connection was closed by the server: libcurl notices when it next wants it."""
        self._watched.pop(descriptor, None)
        self._epoll.unregister(descriptor)

    def cancel(self) -> None:
        """Break off every request under way; their connections are closed and their exchanges never come."""
        for lane in self._lanes:
            if lane not in self._free:
                self._multi.remove_handle(lane.handle)
                lane.clear()
        self._free = self._lanes[::-1]

    def close(self) -> None:
        """Break off what is under way and close all connections. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.cancel()
        for lane in self._lanes:
            lane.close()
        self._multi.close()
        self._epoll.close()

    def __enter__(self) -> MultiTransport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
