#!/usr/bin/env python3
"""Sordini beside Apache Kafka 4.3.1 and beside the machine's limits: one table, all of it from one run.

    tests/peers/compare.py [--runs 3] [--seconds 10] [--only NAME,NAME] [--alone] [--dir DIR] [--out FILE]

Kafka runs twice: as it comes (acknowledges from the page cache), and synced (log.flush.interval.messages=1, which is
what Sordini does always). All three take turns on the same disk, in `--dir`; each figure is the median of its runs.
The loads are those of `sordini bench`, the client is the same for all; librdkafka is driven by kcat. The bare disk
and the bare loopback are measured around each of Sordini's loads. Before each load its broker comes to rest, so that what
the one before left to be written or deleted is not measured with it.

Needs Java 17, Maven (Kafka comes from Maven Central, once) and kcat. The machine should have nothing else to do: the
load before the first measurement is printed. Exit code 1 if a measurement failed, not if a requirement was missed.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from brokers import Kafka, Sordini, fetch_kafka, flush_disk, metadata  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
PARTITIONS = 1000
IDLE = 10_000
RECORD = 1024
BIG_TOPIC_BYTES = 1 << 30
LIBRDKAFKA = "librdkafka: 1 KiB records, 12 partitions, acks=all"
AFTER_KILL = f"start to the first Metadata answer, {PARTITIONS:,} partitions, after kill -9"


class Bench:
    """What one command says, as numbers."""

    def __init__(self, args, program):
        self.args, self.program = args, program

    def warm_up(self, broker, load):
        """Seconds. A JVM compiles itself first, 1,000 new partitions make their files, and a journal grows as it is used."""
        long = isinstance(broker, Kafka) or load == "spread"
        return self.args.warm_up if long else min(3.0, self.args.warm_up)

    def command(self, broker, load, *options, seconds=None):
        warm = self.warm_up(broker, load)
        seconds = seconds or self.args.seconds
        base = [self.program, "bench", load, "--broker", broker.address, "--json"]
        return [*base, "--seconds", str(seconds), "--warm-up", str(warm), *map(str, options)]

    def run(self, broker, load, *options, limits=False, seconds=None, rested=True):
        command = self.command(broker, load, *options, seconds=seconds)
        if limits:
            command += ["--limits", str(self.args.dir)]
        for patience in range(6, -1, -1):
            if rested:
                broker.settle()
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0:
                return json.loads(done.stdout)
            # Kafka's controller fences its broker when a busy disk delays a heartbeat, and takes it back later.
            if "INVALID_REPLICATION_FACTOR" not in done.stderr or patience == 0:
                raise RuntimeError(f"{broker.name}: {' '.join(command)}: {done.stderr.strip()}")
            time.sleep(5)

    def tool(self, broker, *command):
        done = subprocess.run([self.program, *command, "--broker", broker.address], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{broker.name}: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


class Table:
    """Figures by measure and broker; the limits and ratios belong to Sordini's own runs."""

    def __init__(self):
        self.rows = {}
        self.order = []

    def add(self, measure, who, value, unit):
        if measure not in self.rows:
            self.rows[measure] = {"unit": unit, "values": {}}
            self.order.append(measure)
        self.rows[measure]["values"].setdefault(who, []).append(value)

    def median(self, measure, who):
        values = self.rows.get(measure, {"values": {}})["values"].get(who)
        return statistics.median(values) if values else None


def of_bench(table, who, load, result):
    """The figures of one run of a load."""
    latency = result["latency_us"]
    table.add(f"{load}: requests", who, result["requests_per_second"], "1/s")
    if load in ("large", "consume"):
        table.add(f"{load}: bytes", who, result["bytes_per_second"] / MIB, "MiB/s")
    table.add(f"{load}: p50", who, latency["p50"], "us")
    table.add(f"{load}: p99", who, latency["p99"], "us")
    if result["broker_cpu_us_per_request"] is not None:
        table.add(f"{load}: broker's CPU a request", who, result["broker_cpu_us_per_request"], "us")
    limits = result.get("limits")
    if not limits:
        return
    rate = result["requests_per_second"]
    if load == "consume":
        sendfile = limits["sendfile_bytes_per_second"]
        table.add("consume: of raw sendfile", who, 100 * result["bytes_per_second"] / sendfile, "%")
        table.add("consume: bytes", "limit", sendfile / MIB, "MiB/s")
        return
    bare = limits["sync_us_p50"] + limits["exchange_us_p50"]
    if load == "latency":
        table.add("latency: p50", "limit", bare, "us")
        table.add("latency: above raw sync + bare echo", who, latency["p50"] - bare, "us")
        return
    group, echo = limits["group_commit_requests_per_second"], limits["exchange_requests_per_second"]
    table.add(f"{load}: of raw group commit", who, 100 * rate / group, "%")
    table.add(f"{load}: of bare echo", who, 100 * rate / echo, "%")
    table.add(f"{load}: requests", "limit", min(group, echo), "1/s")
    if load == "large":
        table.add("large: bytes", "limit", group * result["request_bytes"] / MIB, "MiB/s")


def loads(table, bench, broker):
    is_ours = isinstance(broker, Sordini)
    for load in ("latency", "large", "consume", "small", "spread"):
        of_bench(table, broker.name, load, bench.run(broker, load, limits=is_ours))
    # One partition right before and right after: between two loads a minute apart this machine changes more than they differ.
    one = [table.rows["small: requests"]["values"][broker.name][-1]]
    one.append(bench.run(broker, "small")["requests_per_second"])
    share = 100 * table.rows["spread: requests"]["values"][broker.name][-1] / statistics.mean(one)
    table.add("spread: of one partition", broker.name, share, "%")


def librdkafka(table, bench, broker):
    """1 KiB records into 12 partitions with acks=all, until all are acknowledged."""
    topic = f"librdkafka-{time.monotonic_ns()}"
    bench.tool(broker, "topic", "create", topic, "--partitions", "12")
    lines = bench.args.dir / "records"
    count = bench.args.records
    if not lines.exists():
        piece = os.urandom(RECORD // 2 * 4096).hex().encode()
        with open(lines, "wb") as file:
            for n in range(count):
                at = n % 4096 * RECORD
                file.write(piece[at : at + RECORD] + b"\n")
    broker.settle()
    in_memory(lines)
    options = ["-X", "acks=all", "-X", "linger.ms=5", "-X", "queue.buffering.max.messages=1000000"]
    before, since = os.times(), time.monotonic()
    with open(lines, "rb") as records:
        command = ["kcat", "-P", "-b", broker.address, "-t", topic, "-p", "-1", *options]
        done = subprocess.run(command, stdin=records, capture_output=True, text=True)
    took, after = time.monotonic() - since, os.times()
    if done.returncode != 0 or "failed" in done.stderr:
        raise RuntimeError(f"{broker.name}: kcat: {done.stderr.strip()}")
    there = records_of(broker, topic)
    if there != count:
        raise RuntimeError(f"{broker.name}: {count} records were acknowledged, {there} are there")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    table.add(LIBRDKAFKA, broker.name, count / took, "1/s")
    table.add("librdkafka: processors that the client used", broker.name, cpu / took, "")
    bench.tool(broker, "topic", "delete", topic)


def in_memory(file):
    """What a client sends comes from the page cache, also for the broker that is first."""
    with open(file, "rb") as bytes_of:
        while bytes_of.read(MIB):
            pass


def records_of(broker, topic):
    """How many records a topic of 12 partitions has, from their ends."""
    command = ["kcat", "-b", broker.address, "-Q", "-J"]
    for partition in range(12):
        command += ["-t", f"{topic}:{partition}:-1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)[topic].values()
    return sum(partition["offset"] for partition in said if isinstance(partition, dict))


def starts(table, bench, broker):
    """Start on nothing, memory at rest and with many idle connections, start after kill -9 with 1,000 partitions."""
    table.add("start to the first Metadata answer, new", broker.name, 1000 * broker.fresh(), "ms")
    broker.stop()
    table.add("start to the first Metadata answer, again", broker.name, 1000 * broker.start(), "ms")
    time.sleep(2)
    rest = broker.resident()
    table.add("memory at rest", broker.name, rest / MIB, "MiB")
    links = []
    try:
        for _ in range(IDLE):
            links.append(socket.create_connection(("127.0.0.1", broker.port), timeout=30))
        time.sleep(2)
        table.add(f"memory for {IDLE:,} idle connections", broker.name, (broker.resident() - rest) / MIB, "MiB")
    except OSError as error:
        print(f"  {broker.name}: {len(links)} connections, then {error}", flush=True)
    for link in links:
        link.close()
    load = subprocess.Popen(
        bench.command(broker, "spread", seconds=3600), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while metadata(broker.port)[1] == 0 and load.poll() is None:
        time.sleep(0.1)
    # Long enough for a journal to be written all round.
    time.sleep(5 + bench.args.seconds)
    if load.poll() is not None:
        raise RuntimeError(f"{broker.name}: the load that fills {PARTITIONS:,} partitions ended by itself")
    broker.kill()
    load.wait()
    flush_disk()
    table.add(AFTER_KILL, broker.name, 1000 * broker.start(1), "ms")


def checkpoints(table, bench, broker):
    """Commits one at a time while much is written beside them, which is what makes checkpoints."""
    quiet = bench.run(broker, "latency")
    seconds = max(bench.args.seconds, 2)
    beside = subprocess.Popen(
        bench.command(broker, "large", "--rate", 40, seconds=seconds + 6),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2)
    busy = bench.run(broker, "latency", seconds=seconds, rested=False)
    _, error = beside.communicate()
    if beside.returncode != 0:
        raise RuntimeError(f"{broker.name}: the load beside: {error.strip()}")
    table.add("commit alone: p99.9", broker.name, quiet["latency_us"]["p99.9"], "us")
    table.add("commit beside 35 MiB/s and its checkpoints: p99.9", broker.name, busy["latency_us"]["p99.9"], "us")


def deletion(table, bench, broker):
    """A topic of 1 GiB is deleted in the middle of a load."""
    piece = Path("/dev/shm") / f"peer-{os.getpid()}"
    line = "v" * (RECORD * 64 - 1) + "\n"
    bytes_left = bench.args.big_bytes
    piece.write_text(line * (64 * MIB // len(line)))
    try:
        bench.tool(broker, "topic", "create", "big", "--partitions", "1")
        while bytes_left > 0:
            bench.tool(broker, "produce", "big", "--file", str(piece), "--quiet", "--batch-bytes", "900000")
            bytes_left -= 64 * MIB
    finally:
        piece.unlink()
    time.sleep(2)
    seconds = max(bench.args.seconds, 2)
    before = bench.run(broker, "latency", seconds=seconds)
    failed = []

    def delete():
        try:
            bench.tool(broker, "topic", "delete", "big")
        except RuntimeError as error:
            failed.append(error)

    timer = threading.Timer(bench.warm_up(broker, "latency") + seconds / 2, delete)
    timer.start()
    during = bench.run(broker, "latency", seconds=seconds, rested=False)
    timer.join()
    if failed:
        raise failed[0]
    gone = during["latency_us"]["p99"] - before["latency_us"]["p99"]
    table.add("commit alone: p99", broker.name, before["latency_us"]["p99"], "us")
    table.add("commit while a topic of 1 GiB is deleted: p99", broker.name, during["latency_us"]["p99"], "us")
    table.add("commit while a topic of 1 GiB is deleted: more p99", broker.name, gone, "us")


MEASURES = {
    "loads": loads,
    "librdkafka": librdkafka,
    "checkpoints": checkpoints,
    "deletion": deletion,
    "starts": starts,
}

# What Sordini is required to reach: measure, at least (+1) or at most (-1), value.
REQUIRED = [
    ("latency: above raw sync + bare echo", -1, 25),
    ("small: of bare echo", +1, 40),
    ("small: of raw group commit", +1, 30),
    ("small: p99", -1, 3000),
    ("small: broker's CPU a request", -1, 20),
    ("large: of raw group commit", +1, 35),
    ("large: p99", -1, 20_000),
    ("consume: of raw sendfile", +1, 70),
    ("spread: of one partition", +1, 80),
    ("commit beside 35 MiB/s and its checkpoints: p99.9", -1, 5000),
    ("commit while a topic of 1 GiB is deleted: more p99", -1, 5000),
    ("start to the first Metadata answer, new", -1, 20),
    ("start to the first Metadata answer, again", -1, 20),
    (AFTER_KILL, -1, 300),
    ("memory at rest", -1, 20),
    (f"memory for {IDLE:,} idle connections", -1, 100),
]


def shown(value):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def markdown(table, names, args):
    required = {measure: (sign, value) for measure, sign, value in REQUIRED}
    cache = table.median(LIBRDKAFKA, "Kafka, page cache")
    if cache is not None:
        required[LIBRDKAFKA] = (+1, 2 * cache)
    head = ["measure", "unit", "machine's limit", *names, "required", ""]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for measure in table.order:
        ours = table.median(measure, names[0])
        need = mark = ""
        if measure in required and ours is not None:
            sign, value = required[measure]
            need = f"{'>=' if sign > 0 else '<='} {shown(value)}"
            mark = "met" if sign * ours >= sign * value else "MISSED"
        cells = [shown(table.median(measure, who)) for who in ("limit", *names)]
        lines.append(f"| {measure} | {table.rows[measure]['unit']} | {' | '.join(cells)} | {need} | {mark} |")
    how = f"Medians of {args.runs} runs of {args.seconds:g} s; {os.cpu_count()} processors; "
    how += f"load before the first run {args.load:.2f}."
    return how + "\n\n" + "\n".join(lines) + "\n"


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of each load that are counted")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds before, of Kafka and of spread; else 3")
    parser.add_argument("--only", default=",".join(MEASURES), help="of " + ", ".join(MEASURES))
    parser.add_argument("--alone", action="store_true", help="Sordini beside the machine's limits, without Kafka")
    parser.add_argument("--dir", type=Path, default=ROOT / "target" / "peers", help="on the disk to be measured")
    parser.add_argument("--out", type=Path, help="the table goes here too [default: DIR/table.md]")
    parser.add_argument("--port", type=int, default=22050, help="and the next five")
    parser.add_argument("--profile", default="release", help="Cargo profile of Sordini")
    parser.add_argument("--records", type=int, default=1_000_000, help="that librdkafka writes")
    parser.add_argument("--big-bytes", type=int, default=BIG_TOPIC_BYTES, help="of the topic that is deleted")
    args = parser.parse_args()
    unknown = [name for name in args.only.split(",") if name not in MEASURES]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASURES)}")
    for tool in ("kcat", "cargo") if args.alone else ("java", "mvn", "kcat", "cargo"):
        if shutil.which(tool) is None:
            parser.error(f"{tool} is missing")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < IDLE + 200 and "starts" in args.only:
        print(f"note: only {hard} open files are allowed; {IDLE} connections will not fit", flush=True)
    args.dir.mkdir(parents=True, exist_ok=True)
    args.out = args.out or args.dir / "table.md"
    args.load = os.getloadavg()[0]
    return args


def main():
    args = parsed()
    subprocess.run(["cargo", "build", "--quiet", "--profile", args.profile, "--bin", "sordini"], cwd=ROOT, check=True)
    folder = "debug" if args.profile == "dev" else args.profile
    program = str(ROOT / "target" / folder / "sordini")
    bench, table, failures = Bench(args, program), Table(), []
    brokers = [Sordini("Sordini", args.dir / "sordini", args.port, program)]
    if not args.alone:
        jars, synced = args.dir / "kafka-jars", ("log.flush.interval.messages=1",)
        fetch_kafka(jars)
        brokers += [
            Kafka("Kafka, page cache", args.dir / "kafka", args.port + 2, jars),
            Kafka("Kafka, synced", args.dir / "kafka-synced", args.port + 4, jars, synced),
        ]
    names = [broker.name for broker in brokers]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the brokers end with us
    try:
        for run in range(args.runs):
            for name in args.only.split(","):
                for broker in brokers:
                    print(f"run {run + 1}: {name}: {broker.name}", flush=True)
                    try:
                        if name != "starts":
                            broker.fresh()
                        MEASURES[name](table, bench, broker)
                    except Exception as error:  # what else was measured is still worth its line
                        failures.append(f"{name}: {broker.name}: {error}")
                        print(f"  FAILED: {error}", flush=True)
                    finally:
                        broker.kill()
                        broker.put_aside()
                    # Written each time, so that whoever stops it early has what there is.
                    text = markdown(table, names, args)
                    text += "".join(f"\nfailed: {failure}" for failure in failures)
                    args.out.write_text(text)
    finally:
        (args.dir / "records").unlink(missing_ok=True)
        for broker in brokers:
            broker.remove_all()
    print(f"\n{args.out.read_text()}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
