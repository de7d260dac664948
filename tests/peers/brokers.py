"""Brokers of compare.py: started, asked for their first answer, measured and killed, each by its own process id."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_MAX = 90.0  # seconds until a broker must answer
REST_WITHIN = 20.0  # seconds that a broker gets to come to rest
AT_REST = 0.1  # processors that a broker at rest may use
POLL = 0.0005  # between two attempts to reach one that starts


def metadata(port, timeout=10.0):
    """Asks for all topics (Metadata 1). Returns how many brokers and topics the answer names."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as link:
        body = struct.pack(">hhih", 3, 1, 7, 4) + b"peer" + struct.pack(">i", -1)
        link.sendall(struct.pack(">i", len(body)) + body)
        answer = receive(link, struct.unpack(">i", receive(link, 4))[0])
    at = 4
    brokers, at = struct.unpack_from(">i", answer, at)[0], at + 4
    for _ in range(brokers):
        at += 4  # node id
        at += 2 + struct.unpack_from(">h", answer, at)[0]  # host
        at += 4  # port
        rack = struct.unpack_from(">h", answer, at)[0]
        at += 2 + max(rack, 0)
    at += 4  # controller
    return brokers, struct.unpack_from(">i", answer, at)[0]


def receive(link, length):
    data = bytearray()
    while len(data) < length:
        piece = link.recv(length - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return bytes(data)


class Broker:
    """A broker in a process of its own. `start` returns the seconds until its first answer to a Metadata request."""

    def __init__(self, name, data, port):
        self.name, self.data, self.port = name, Path(data), port
        self.process = None

    def command(self):
        raise NotImplementedError

    def prepare(self):
        """What is done once before the first start, and is no part of it."""

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self, topics=0):
        log = open(f"{self.data}.log", "ab")
        since = time.monotonic()
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        while True:
            try:
                brokers, found = metadata(self.port)
                if brokers >= 1 and found >= topics:
                    return time.monotonic() - since
            except OSError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}: see {self.data}.log")
            if time.monotonic() - since > START_MAX:
                raise RuntimeError(f"{self.name} does not answer: see {self.data}.log")
            time.sleep(POLL)

    def fresh(self):
        """An empty data directory, and the broker on it."""
        self.put_aside()
        self.prepare()
        return self.start()

    def put_aside(self):
        """The data directory waits, with empty files, under another name until `remove_all`. Thousands of files that
        were removed a moment ago would make new ones dear: ext4 without a journal does not use their inodes again for
        minutes, and looks at each of them whenever it makes a file."""
        if not self.data.exists():
            return
        aside = self.data.rename(f"{self.data}.{time.monotonic_ns()}.old")
        for file in aside.rglob("*"):
            if file.is_file():
                os.truncate(file, 0)

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove_all(self):
        """Every data directory that this broker ever had."""
        self.kill()
        for data in [self.data, *self.data.parent.glob(f"{self.data.name}.*.old")]:
            shutil.rmtree(data, ignore_errors=True)

    def resident(self):
        """Memory that is in RAM now, bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{self.name} has no VmRSS")

    def processor_seconds(self):
        """Processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self):
        """Waits until it is at rest: what the load before has left is on the disk, or deleted, and not measured with the next.

        Kafka deletes a topic's files a minute later, which no rest waits for.
        """
        flush_disk()
        until = time.monotonic() + REST_WITHIN
        while time.monotonic() < until:
            before = self.processor_seconds()
            time.sleep(1)
            if self.processor_seconds() - before < AT_REST:
                return


class Sordini(Broker):
    def __init__(self, name, data, port, program):
        super().__init__(name, data, port)
        self.program = program

    def command(self):
        return [self.program, "serve", "--listen", self.address, "--data", str(self.data), "--log", "warn"]


class Kafka(Broker):
    """One node, broker and controller in one, with Kafka's default configuration but for `overrides`."""

    def __init__(self, name, data, port, jars, overrides=()):
        super().__init__(name, data, port)
        self.jars, self.overrides = jars, overrides

    def java(self, heap, *command):
        log4j = f"-Dlog4j2.configurationFile={HERE / 'kafka' / 'log4j2.properties'}"
        return ["java", f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseG1GC", log4j, "-cp", f"{self.jars}/*", *command]

    def prepare(self):
        self.data.mkdir(parents=True)
        properties = [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{self.port + 1}",
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.port + 1}",
            f"advertised.listeners=PLAINTEXT://{self.address}",
            "controller.listener.names=CONTROLLER",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            f"log.dirs={self.data}/logs",
            "offsets.topic.replication.factor=1",
            *self.overrides,
        ]
        self.properties.write_text("\n".join(properties) + "\n")
        tool = "kafka.tools.StorageTool", "org.apache.kafka.tools.StorageTool"
        cluster = "AAAAAAAAQACAAAAAAAAAAQ"
        for name in tool:
            arguments = self.java("256m", name, "format", "-t", cluster, "-c", str(self.properties))
            done = subprocess.run(arguments, capture_output=True, text=True)
            if done.returncode == 0:
                return
        raise RuntimeError(f"{self.name} cannot format {self.data}: {done.stdout}{done.stderr}")

    @property
    def properties(self):
        return self.data / "server.properties"

    def command(self):
        # The heap that kafka-server-start.sh gives it.
        return self.java("1g", "kafka.Kafka", str(self.properties))


def fetch_kafka(jars):
    """Kafka's jars from Maven Central, once."""
    if any(Path(jars).glob("kafka_2.13-*.jar")):
        return
    print("fetching Apache Kafka from Maven Central", flush=True)
    pom = str(HERE / "kafka" / "pom.xml")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    subprocess.run(["mvn", "-q", "-B", "-f", pom, *goal], check=True)


def flush_disk():
    """What one broker has left in the page cache is not to be written during the measurement of the next."""
    os.sync()
