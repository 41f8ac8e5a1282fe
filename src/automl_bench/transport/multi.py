"""Many requests in flight from one thread: one libcurl multi handle, driven by epoll.

No thread per connection, so no queueing for the interpreter lock between an answer and its time stamp. libcurl tells
which sockets it waits for; epoll wakes this thread when one is ready; libcurl then reads and stamps in C. A request is
sent within `start` itself.
"""

from __future__ import annotations

import os
import select
import socket
import time
from types import TracebackType
from typing import Any

import pycurl

from automl_bench.contract import HttpRequest
from automl_bench.transport.body_budget import BodyBudget
from automl_bench.transport.exchange import SEEN, Exchange, Unseen
from automl_bench.transport.heartbeat import BEAT_SECONDS, ProcessorWait, Standstills
from automl_bench.transport.lane import Lane
from automl_bench.transport.options import TransportOptions

_LOOK_AGAIN_NS = 200_000
_SPARE_CONNECTIONS = 4
_SELECT_DESCRIPTORS = 1024  # FD_SETSIZE
_BEAT_NS = int(BEAT_SECONDS * 1e9)
_BUSY_NS = 50_000_000  # between two looks this thread reads answers and hands rows on; no more than that takes
_FELL_ASLEEP_NS = 50_000
_SLOW_SEND_NS = 500_000
_TIMER_SLACK_NS = 1_000_000  # a wait ends up to a tenth of a millisecond late on a quiet machine


class MultiTransport:
    """Sends up to `connections` requests at once. Not thread-safe; belongs to one process.

    Each request in flight has a connection of its own, with HTTP/2 too: streams on one connection would share its
    send window, and one slow answer could hold up the others' clocks.

    Args:
        options: What holds for every request.
        connections: How many requests may be in flight.

    Attributes:
        standstills: When this process was kept from looking for answers.

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
        self._let_go: set[int] = set()  # descriptors that libcurl has let go since the last look
        self._processor = ProcessorWait()
        self.standstills = Standstills()
        self._looked_ns = self._swept_ns = time.monotonic_ns()
        self._ended: list[tuple[Any, Exchange]] = []
        self._closed_by_server: set[tuple[str, int]] = set()  # local ends of idle connections that are of no use
        budget = BodyBudget(options.max_total_bytes, connections)
        self._lanes = [Lane(options, number, self._closed_by_server, budget) for number in range(connections)]
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
        now_ns = time.monotonic_ns()
        if now_ns - max(self._looked_ns, self._swept_ns) > _LOOK_AGAIN_NS:
            self._swept_ns = now_ns
            self._look_for_closed()
        self._free.pop()
        self._send(lane)
        if lane.met_closed:
            self._ended += self._collect(SEEN)

    def _send(self, lane: Lane) -> None:
        begun_ns = lane.begin()
        self._multi.add_handle(lane.handle)
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        took_ns = time.monotonic_ns() - begun_ns
        if took_ns > _SLOW_SEND_NS:  # was it kept from its processor? Asking the kernel takes a twentieth of a send
            waited_ns = self._processor.latest_ns
            lane.held_up_ns = min(took_ns, self._processor.read_ns() - waited_ns)

    def wait(self, timeout_seconds: float) -> list[tuple[Any, Exchange]]:
        """Wait until at least one request has ended, or for `timeout_seconds`.

        Signal handlers run while this waits, so Ctrl-C comes through at once.

        Returns:
            Tag and exchange of every request that has ended since; empty if none has.
        """
        done = self._ended + self._collect(SEEN)
        if done:
            self._ended = []
            return done
        deadline_ns = time.monotonic_ns() + int(timeout_seconds * 1e9)
        unseen = SEEN
        while True:
            events = self._epoll.poll(0)
            now_ns = time.monotonic_ns()
            if events:  # they were there before: since when, nobody knows, but not longer than since the last look
                unseen = Unseen(max(unseen.most_ns, now_ns - self._looked_ns), 0)
                if now_ns - self._looked_ns > _BUSY_NS:
                    self.standstills.note(self._looked_ns, now_ns)
                self._act_on(events)
            elif now_ns < deadline_ns:
                events, unseen = self._block(now_ns, deadline_ns)
                now_ns = self._looked_ns
            if not events:
                self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._looked_ns = now_ns
            done = self._collect(unseen)
            if done or now_ns >= deadline_ns:
                return done

    def _block(self, now_ns: int, deadline_ns: int) -> tuple[list[tuple[int, int]], Unseen]:
        """Wait for sockets, until libcurl's next timer or the next heartbeat at the latest, and act on what came.

        epoll counts whole milliseconds only, too coarse for a schedule; `select` counts microseconds, and an epoll set
        is itself a descriptor that it can wait for.

        Returns:
            The events, and how long they may have lain in the kernel.
        """
        asked_ns = min(deadline_ns - now_ns, _BEAT_NS)
        due_ms = self._multi.timeout()
        if 0 <= due_ms * 1_000_000 < asked_ns:
            asked_ns = due_ms * 1_000_000
        processor = self._processor
        waited_ns, ran_ns, runs = processor.read_ns(), processor.ran_ns, processor.runs
        if self._epoll.fileno() < _SELECT_DESCRIPTORS:
            select.select((self._epoll,), (), (), asked_ns / 1e9)
            events = self._epoll.poll(0)
        else:
            events = self._epoll.poll(asked_ns / 1e9)
        self._looked_ns = time.monotonic_ns()
        self._act_on(events)
        took_ns = self._looked_ns - now_ns
        waited_ns = processor.read_ns() - waited_ns  # read only now: an answer's clock is stopped first
        self.standstills.note(now_ns + asked_ns + waited_ns, self._looked_ns)
        if not events:
            return events, SEEN
        if took_ns > asked_ns + waited_ns + _TIMER_SLACK_NS:  # stopped from outside, at some moment of the wait
            return events, Unseen(took_ns, 0)
        # If an event woke this thread from its sleep, it lay there for as long as the thread then waited. Otherwise the
        # thread lost its processor before it slept, or the heartbeat woke it, and the event came at some moment after.
        own_ns = took_ns - waited_ns
        slept = own_ns - (processor.ran_ns - ran_ns) > _FELL_ASLEEP_NS and processor.runs == runs + 1
        by_event = slept and own_ns < asked_ns
        return events, Unseen(waited_ns, waited_ns // len(events) if by_event else 0)

    def _act_on(self, events: list[tuple[int, int]]) -> None:
        """Tell libcurl which sockets are ready.

        While libcurl acts on one of them it may close others (a time limit of theirs has passed) and open new ones
        under the same numbers. So events of idle sockets are dealt with before it acts at all, and an event whose
        socket it has let go meanwhile is of no use: if the socket still exists, epoll will report it again.
        """
        if not events:
            return
        watched, let_go, act = self._watched, self._let_go, self._multi.socket_action
        for descriptor, mask in events:
            if not watched.get(descriptor):
                self._idle_event(descriptor, mask)
        let_go.clear()
        for descriptor, mask in events:
            if descriptor in let_go or not watched.get(descriptor):
                continue
            bits = (mask & select.EPOLLIN and pycurl.CSELECT_IN) | (mask & select.EPOLLOUT and pycurl.CSELECT_OUT)
            if mask & (select.EPOLLERR | select.EPOLLHUP):
                bits |= pycurl.CSELECT_ERR
            act(descriptor, bits)

    def _collect(self, unseen: Unseen) -> list[tuple[Any, Exchange]]:
        done: list[tuple[Any, Exchange]] = []
        again = True
        while again:
            again = False
            _, whole, broken = self._multi.info_read()
            done += [self._end(handle, 0, "", unseen) for handle in whole]
            for handle, number, detail in broken:
                lane = self._lane_of[handle]
                if lane.met_closed:
                    self._multi.remove_handle(handle)
                    self._send(lane)
                    again = True
                else:
                    done.append(self._end(handle, number, detail, unseen))
        return done

    def _end(self, handle: Any, number: int, detail: str, unseen: Unseen) -> tuple[Any, Exchange]:
        self._multi.remove_handle(handle)
        lane = self._lane_of[handle]
        tag = lane.tag
        self._free.append(lane)
        return tag, lane.finish(number, detail, unseen)

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        """libcurl says what it wants to know of a socket (CURLMOPT_SOCKETFUNCTION).

        A socket stays registered while its connection idles: that saves a system call for each request and tells when
        the server closes it. `modify` fails if the number has gone to a new socket meanwhile, as closing takes a socket
        out of the epoll set.
        """
        if what == pycurl.POLL_REMOVE:
            self._watched[descriptor] = 0
            self._let_go.add(descriptor)
            return
        mask = (what & pycurl.POLL_IN and select.EPOLLIN) | (what & pycurl.POLL_OUT and select.EPOLLOUT)
        self._watched[descriptor] = mask
        try:
            self._epoll.modify(descriptor, mask | select.EPOLLRDHUP)
        except FileNotFoundError:
            self._epoll.register(descriptor, mask | select.EPOLLRDHUP)

    def _look_for_closed(self) -> None:
        """Find out which idle connections the server has closed, before one of them is chosen for a request.

        libcurl itself (8.x) only checks connections that have idled for over a second; on a younger one it would write
        the request, meet the end of the stream, and send it again.
        """
        for descriptor, mask in self._epoll.poll(0):
            if not self._watched.get(descriptor):
                self._idle_event(descriptor, mask)

    def _idle_event(self, descriptor: int, mask: int) -> None:
        self._watched.pop(descriptor, None)
        try:
            self._epoll.unregister(descriptor)
            if mask & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):  # else data, as a TLS session ticket
                with socket.socket(fileno=os.dup(descriptor)) as closed:
                    self._closed_by_server.add(closed.getsockname()[:2])
        except OSError:  # it is closed here, but a copy in a child process keeps it in the set: nothing removes it
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Watch the sockets of requests under way with a new epoll set; idle ones come back when they are used."""
        self._epoll.close()
        self._epoll = select.epoll()
        self._watched = {descriptor: mask for descriptor, mask in self._watched.items() if mask}
        for descriptor, mask in self._watched.items():
            self._epoll.register(descriptor, mask | select.EPOLLRDHUP)

    def cancel(self) -> None:
        """Break off every request under way; their connections are closed and their exchanges never come."""
        for lane in self._lanes:
            if lane not in self._free:
                self._multi.remove_handle(lane.handle)
                lane.clear()
        self._free = self._lanes[::-1]
        self._ended = []

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
        self._processor.close()

    def __enter__(self) -> MultiTransport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
