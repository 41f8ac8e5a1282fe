"""What the three invented services are like: how they learn, how long they take, what they cost. Data, nothing else.

Times are virtual: the setting `speed` says how many virtual seconds pass in one real one. Prices are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

from automl_bench.contract import Price, ReportedTimes, Stage

PRICES_AS_OF = "2026-11-01"
SIZES = (10, 30, 100, 300, 1000, 3000, 10_000)
"""Labelled samples for which a service says how long it trains."""
PRICES_SOURCE = "invented for the simulated cloud"


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """One invented service.

    Attributes:
        name: Its name, which is also the variant's.
        title: For people.
        side: It sees images as `side` × `side` thumbnails.
        neighbours: Nearest training samples that vote; 0 compares with the mean of each class instead.
        noise: How much its view of an image is disturbed: standard deviation in units of the thumbnails' own.
        queue_seconds: Virtual time before a training begins.
        train_seconds: Virtual time of a training, without samples.
        train_seconds_per_sample: Virtual time that each sample adds.
        deploy_seconds: Virtual time until an endpoint answers.
        stop_seconds: Virtual time that a deletion of an endpoint takes; 0 for at once.
        call_ms: Real time that one prediction takes at the median.
        call_sigma: Standard deviation of the logarithm of that time.
        train_hour_usd: Price of a virtual hour of training.
        endpoint_hour_usd: Price of a virtual hour of an idle endpoint.
        call_usd: Price of one prediction; None for a service that does not publish it.
        fails: Whether every training fails.
        token_seconds: Real seconds that an access token holds.
    """

    name: str
    title: str
    side: int
    neighbours: int
    noise: float
    queue_seconds: float
    train_seconds: float
    train_seconds_per_sample: float
    deploy_seconds: float
    stop_seconds: float
    call_ms: float
    call_sigma: float
    train_hour_usd: float
    endpoint_hour_usd: float
    call_usd: float | None
    fails: bool = False
    token_seconds: float = 3600.0

    def times(self) -> tuple[ReportedTimes, ...]:
        """Return how long it takes, in virtual time."""
        trainings = tuple((count, self.train_seconds + count * self.train_seconds_per_sample) for count in SIZES)
        return (
            ReportedTimes(Stage.TRAIN, trainings, PRICES_AS_OF, PRICES_SOURCE, self.name),
            ReportedTimes(Stage.DEPLOY, ((0, self.deploy_seconds),), PRICES_AS_OF, PRICES_SOURCE, self.name),
        )

    def prices(self) -> list[Price]:
        """Return the dated price table."""
        hours = (self.train_seconds + 60 * self.train_seconds_per_sample) / 3600
        table = [
            ("train_hour", self.train_hour_usd, "node hour", max(1.0, hours)),
            ("endpoint_hour", self.endpoint_hour_usd, "endpoint hour", 12.0),
            ("call", self.call_usd, "1 call", None),
        ]
        return [Price(item, usd, unit, PRICES_AS_OF, PRICES_SOURCE, per_trial=most) for item, usd, unit, most in table]


SERVICES = {
    service.name: service
    for service in (
        SimulatedService(
            name="quick",
            title="trains in minutes on class means, and stops getting better early",
            side=6,
            neighbours=0,
            noise=0.5,
            queue_seconds=30.0,
            train_seconds=240.0,
            train_seconds_per_sample=0.5,
            deploy_seconds=120.0,
            stop_seconds=0.0,
            call_ms=4.0,
            call_sigma=0.15,
            train_hour_usd=3.0,
            endpoint_hour_usd=0.9,
            call_usd=0.0,
        ),
        SimulatedService(
            name="thorough",
            title="queues and trains for long, learns most from many samples, and its endpoints are dear",
            side=8,
            neighbours=3,
            noise=0.15,
            queue_seconds=600.0,
            train_seconds=1800.0,
            train_seconds_per_sample=3.0,
            deploy_seconds=600.0,
            stop_seconds=60.0,
            call_ms=9.0,
            call_sigma=0.3,
            train_hour_usd=20.0,
            endpoint_hour_usd=3.0,
            call_usd=0.0,
        ),
        SimulatedService(
            name="thrifty",
            title="no idle cost, each call is paid, tokens expire quickly",
            side=6,
            neighbours=1,
            noise=0.4,
            queue_seconds=60.0,
            train_seconds=600.0,
            train_seconds_per_sample=1.0,
            deploy_seconds=0.0,
            stop_seconds=0.0,
            call_ms=6.0,
            call_sigma=0.5,
            train_hour_usd=0.0,
            endpoint_hour_usd=0.0,
            call_usd=0.0015,
            token_seconds=1.0,
        ),
        SimulatedService(
            name="unlucky",
            title="every training fails, and is billed",
            side=6,
            neighbours=1,
            noise=0.4,
            queue_seconds=30.0,
            train_seconds=300.0,
            train_seconds_per_sample=0.0,
            deploy_seconds=60.0,
            stop_seconds=0.0,
            call_ms=4.0,
            call_sigma=0.1,
            train_hour_usd=3.0,
            endpoint_hour_usd=0.9,
            call_usd=None,
            fails=True,
        ),
    )
}
