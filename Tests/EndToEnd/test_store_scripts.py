"""The scripts of the shared store in a real server, against models of what the gateway's own store does, at a clock that the tests move."""

import datetime
import random
import re

import pytest

from gateway import ROOT
from redis_server import RedisServer

SOURCES = ROOT / "Sources" / "TideStore" / "Scripts"
MONTHS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]


def texts():
    """The scripts as they stand in the sources, with the time of a key `clock`.

    The server's own clock ends nothing then: keys last. The tests of expiry ask for `ttl`, where each script notes it.
    """
    found = {}
    for path in SOURCES.glob("*.swift"):
        source = path.read_text()
        for name, body in re.findall(r'static let (\w+)Text = """\n(.*?)\n    """', source, re.DOTALL):
            found[name] = "\n".join(line[4:] for line in body.split("\n")) + "\n"
        for name, body in re.findall(r'static let (\w+)Text = "([^"\n]+)"\n', source):
            found[name] = body
    ledger = found.pop("ledger")
    for name in ("reserve", "charge", "giveBack"):
        found[name] = ledger + found[name]
    for name, text in found.items():
        text = text.replace("redis.call('TIME')", "redis.call('HMGET', 'clock', 's', 'us')")
        text = text.replace("redis.call('PEXPIRE', KEYS[1], ", "redis.call('SET', 'ttl', ")
        found[name] = re.sub(r", 'PX', (string.format\('%.0f', ms\))\)", r") redis.call('SET', 'ttl', \1)", text)
        assert "EXPIRE" not in found[name] and "'PX'" not in found[name]
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RedisServer(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


class Store:
    """Scripts at a clock of the test's own, in microseconds since 1970."""

    def __init__(self, server, us):
        self.client = server.client()
        self.client.call("FLUSHALL")
        self.scripts = texts()
        self.set(us)

    def set(self, us):
        self.us = us
        self.client.call("HSET", "clock", "s", us // 1_000_000, "us", us % 1_000_000)

    def advance(self, us):
        self.set(self.us + us)

    def run(self, script, key, *arguments):
        return self.client.call("EVAL", self.scripts[script], 1, key, *arguments)

    def close(self):
        self.client.__exit__()


@pytest.fixture
def store(server):
    made = Store(server, 1_790_000_000_123_456)
    yield made
    made.close()


def test_all_scripts_are_known(store):
    assert set(store.scripts) == {"take", "reserve", "charge", "giveBack", "acquire", "renew", "release"}


# A rate limit


class Rate:
    """GCRA as the gateway's own store runs it, in nanoseconds."""

    def __init__(self, interval, burst):
        self.interval, self.burst, self.arrival = interval, burst, 0

    def take(self, amount, now):
        arrival, capacity = max(self.arrival, now), self.interval * self.burst
        used = min(arrival - now, capacity)
        if amount > self.burst:
            return [0, (capacity - used) // self.interval, -1]
        if used + amount * self.interval > capacity:
            return [0, (capacity - used) // self.interval,
                    -(-(used + amount * self.interval - capacity) // 1_000_000)]
        if amount:
            self.arrival = now + used + amount * self.interval
        return [1, (capacity - used - amount * self.interval) // self.interval, -1]


@pytest.mark.parametrize("interval, burst", [(1, 1), (16_666_667, 60), (3_600_000_000_000, 1), (7, 1_000_000_000), (999, 3)])
def test_a_rate_is_what_one_gateway_alone_would_keep(store, interval, burst):
    model, dice = Rate(interval, burst), random.Random(interval)
    for _ in range(400):
        amount = dice.choice([0, 1, 1, 1, 2, burst // 2, burst, burst + 1])
        assert store.run("take", "r", interval, burst, amount, 1) == model.take(amount, store.us * 1000)
        store.advance(dice.choice([0, 0, 1, 7, interval // 1000, interval // 500, dice.randrange(interval * burst // 500 + 2)]))


def test_a_rate_of_months_is_exact_in_microseconds(store):
    interval = 366 * 86_400_000_000
    assert store.run("take", "r", interval, 1, 1, 1000) == [1, 0, -1]
    store.advance(interval - 1)
    assert store.run("take", "r", interval, 1, 1, 1000) == [0, 0, 1]
    store.advance(1)
    assert store.run("take", "r", interval, 1, 1, 1000) == [1, 0, -1]


def test_a_rate_keeps_what_is_used_when_its_unit_changes(store):
    assert store.run("take", "r", 1_000_000, 10, 10, 1) == [1, 0, -1]
    assert store.run("take", "r", 1_000, 10, 1, 1000) == [0, 0, 1]
    store.advance(5_000)
    assert store.run("take", "r", 1_000_000, 10, 5, 1) == [1, 0, -1]


def test_a_clock_that_is_set_back_gives_no_rate_out(store):
    second = 1_000_000_000
    assert store.run("take", "r", second, 2, 2, 1) == [1, 0, -1]
    store.advance(-3_600_000_000)
    assert store.run("take", "r", second, 2, 1, 1)[0] == 0
    # A refusal writes nothing: from the next request that passes the new clock counts.
    store.advance(3_600_000_000 + 1_000_000)
    assert store.run("take", "r", second, 2, 1, 1) == [1, 0, -1]


def test_a_rate_expires_when_it_is_as_good_as_unused(store):
    store.run("take", "r", 1_000_000_000, 10, 3, 1)
    assert store.client.call("GET", "ttl") == "3000"


# Budgets of tokens


class Budget:
    """The ledger as the gateway's own store keeps it."""

    def __init__(self, tokens, kind, length, count):
        self.tokens, self.kind, self.length, self.count = tokens, kind, length, count
        self.newest, self.spent = None, {}

    def slot(self, ms):
        if self.kind != "month":
            return ms // self.length
        days, year = ms // 86_400_000, 1970
        while days >= 365 + leap(year):
            days -= 365 + leap(year)
            year += 1
        month = 0
        while days >= MONTHS[month] + (month == 1 and leap(year)):
            days -= MONTHS[month] + (month == 1 and leap(year))
            month += 1
        return year * 12 + month

    def ends(self, slot):
        if self.kind != "month":
            return (slot + self.count) * self.length
        year, month = divmod(slot + 1, 12)
        days = sum(365 + leap(one) for one in range(1970, year))
        days += sum(MONTHS[one] + (one == 1 and leap(year)) for one in range(month))
        return days * 86_400_000

    def move(self, ms):
        newest = self.slot(ms)
        # Slots without tokens leave no trace, as in the hash.
        self.newest = max([newest, *self.spent])
        self.spent = {slot: tokens for slot, tokens in self.spent.items() if slot > self.newest - self.count}

    def reserve(self, wanted, least, ms):
        self.move(ms)
        total = sum(self.spent.values())
        free = max(0, self.tokens - total)
        granted = min(wanted, free)
        if granted >= least:
            self.book(granted)
            return [1, granted, self.newest, free - granted, -1]
        missing = least - (self.tokens - total)
        for slot in range(self.newest - self.count + 1, self.newest + 1):
            missing -= self.spent.get(slot, 0)
            if missing <= 0 and least <= self.tokens:
                return [0, 0, self.newest, free, max(1, self.ends(slot) - ms)]
        return [0, 0, self.newest, free, -1]

    def book(self, tokens):
        if tokens:
            self.spent[self.newest] = self.spent.get(self.newest, 0) + tokens

    def charge(self, tokens, ms):
        self.move(ms)
        self.book(tokens)

    def give_back(self, debits, ms):
        self.move(ms)
        for slot, tokens in debits:
            if slot in self.spent:
                self.spent[slot] = max(0, self.spent[slot] - tokens)
                if not self.spent[slot]:
                    del self.spent[slot]

    def words(self):
        return self.kind, self.length, self.count


def leap(year):
    return int(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))


PERIODS = [("rolling", 32, 33), ("rolling", 1_875, 33), ("hour", 3_600_000, 1), ("day", 86_400_000, 1), ("month", 0, 1)]


@pytest.mark.parametrize("period", PERIODS, ids=lambda one: f"{one[0]}-{one[1]}")
@pytest.mark.parametrize("seed", range(3))
def test_a_budget_is_what_one_gateway_alone_would_keep(store, period, seed):
    model, dice = Budget(1_000, *period), random.Random(seed)
    debits = []
    span = {"rolling": period[1] * 40, "hour": 3_600_000 * 2, "day": 86_400_000 * 2, "month": 86_400_000 * 45}[period[0]]
    for _ in range(300):
        ms = store.us // 1000
        match dice.choice(["reserve", "reserve", "reserve", "back", "charge"]):
            case "reserve":
                wanted = dice.choice([0, 1, 64, 128, 999, 1_000, 1_001])
                least = dice.choice([wanted, min(wanted, 1)])
                reply = store.run("reserve", "b", *model.words(), 1_000, wanted, least)
                assert reply == model.reserve(wanted, least, ms)
                if reply[0] and reply[1]:
                    debits.append((reply[2], reply[1]))
            case "back" if debits:
                one = debits.pop(dice.randrange(len(debits)))
                store.run("giveBack", "b", *model.words(), *one)
                model.give_back([one], ms)
            case "charge":
                tokens = dice.choice([1, 50, 300])
                store.run("charge", "b", *model.words(), tokens)
                model.charge(tokens, ms)
        stored = store.client.call("HGETALL", "b")
        assert {int(slot): int(tokens) for slot, tokens in zip(stored[::2], stored[1::2])} == model.spent
        if dice.random() < 0.5:
            # A server's clock may be set back now and then.
            store.advance(1000 * dice.choice([0, 1, span // 100, span // 10, span, -span // 50]))


@pytest.mark.parametrize("seed", range(4))
def test_no_rolling_period_holds_more_than_the_budget(store, seed):
    dice, length, count, budget = random.Random(seed), 100, 33, 500
    period = 32 * length
    taken = []
    for _ in range(500):
        reply = store.run("reserve", "b", "rolling", length, count, budget, dice.choice([1, 40, 200]), 1)
        if reply[0] and reply[1]:
            taken.append([store.us // 1000, reply[1], reply[2]])
        if taken and dice.random() < 0.3:
            one = dice.choice(taken[-5:])
            back = dice.randrange(one[1] + 1)
            one[1] -= back
            store.run("giveBack", "b", "rolling", length, count, one[2], back)
        store.advance(1000 * dice.choice([0, 3, 30, 99, 101, 700]))
    for moment, _, _ in taken:
        assert sum(tokens for at, tokens, _ in taken if moment <= at < moment + period) <= budget


@pytest.mark.parametrize("moment, number", [
    ("1970-01-01T00:00", 1970 * 12), ("2000-02-29T23:59", 2000 * 12 + 1), ("2024-12-31T23:59", 2024 * 12 + 11),
    ("2100-03-01T00:00", 2100 * 12 + 2), ("2026-11-30T02:00", 2026 * 12 + 10),
])
def test_a_month_is_the_calendar_s(store, moment, number):
    when = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.timezone.utc)
    store.set(int(when.timestamp()) * 1_000_000)
    assert store.run("reserve", "b", "month", 0, 1, 10, 10, 10) == [1, 10, number, 0, -1]
    after = (when.replace(day=1) + datetime.timedelta(days=32)).replace(day=1, hour=0, minute=0)
    wait = store.run("reserve", "b", "month", 0, 1, 10, 1, 1)[4]
    assert wait == int((after - when).total_seconds() * 1000)


def test_a_budget_expires_with_its_newest_slot(store):
    store.set(1_790_000_000_000_000 // 100_000 * 100_000)
    store.run("reserve", "b", "rolling", 100, 33, 10, 10, 10)
    assert store.client.call("GET", "ttl") == "3300"


# Places


def test_places_are_given_back_by_name_and_by_time(store):
    lease = 15_000
    assert store.run("acquire", "p", 2, lease, "a") == [1, 1]
    assert store.run("acquire", "p", 2, lease, "b") == [1, 0]
    assert store.run("acquire", "p", 2, lease, "c") == [0, 0]
    assert store.run("acquire", "p", 2, lease, "b") == [1, 0], "who asks again has it already"
    assert store.run("release", "p", "a") == [1]
    assert store.run("release", "p", "a") == [0]
    assert store.run("acquire", "p", 2, lease, "c") == [1, 0]
    store.advance(14_999_000)
    assert store.run("acquire", "p", 2, lease, "d") == [0, 0]
    store.run("renew", "p", lease, "b")
    store.advance(1_000)
    assert store.run("acquire", "p", 2, lease, "d") == [1, 0], "c was not renewed"
    assert store.run("acquire", "p", 2, lease, "e") == [0, 0], "b was"


def test_places_that_the_server_lost_are_held_again(store):
    store.run("acquire", "p", 2, 15_000, "a")
    store.client.call("DEL", "p")
    store.run("renew", "p", 15_000, "a", "b")
    assert store.run("acquire", "p", 2, 15_000, "c") == [0, 0]


def test_no_places_means_nobody(store):
    assert store.run("acquire", "p", 0, 15_000, "a") == [0, 0]
    assert store.client.call("EXISTS", "p") == 0
    assert store.client.call("KEYS", "*") == ["clock"]
