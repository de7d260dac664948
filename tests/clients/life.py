"""Clients that live through several lives of a broker: one line of JSON on stdout, exit 0 only if nothing is missing.

Usage: life.py HOST:PORT SECONDS

An idempotent producer (librdkafka) goes on through every restart, a consumer of the same library reads along, and kafka-python
makes, describes and deletes topics beside them. In the end everything that was acknowledged must have been read, once, in order.
"""
import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

ADDR, SECONDS = sys.argv[1], float(sys.argv[2])
TOPIC, PARTITIONS = "life", 3
PATIENCE = 300
until = time.monotonic() + SECONDS
acked, failed = set(), []
read, twice, disorder = set(), [], []
produced = threading.Event()


def delivered(error, message):
    number = int(message.value()[:8])
    if error is None:
        acked.add(number)
    else:
        failed.append(str(error))


def produce():
    producer = Producer({"bootstrap.servers": ADDR, "enable.idempotence": True, "linger.ms": 5,
                         "message.timeout.ms": 0, "reconnect.backoff.max.ms": 200})
    number = 0
    while time.monotonic() < until:
        value = b"%08d" % number + bytes(number * 37 % 3000)
        producer.produce(TOPIC, value, partition=number % PARTITIONS, on_delivery=delivered)
        producer.poll(0.002)
        number += 1
    left = producer.flush(PATIENCE)
    if left:
        failed.append("%d records were never answered" % left)
    produced.set()


def consume():
    consumer = Consumer({"bootstrap.servers": ADDR, "group.id": "unused", "enable.auto.commit": False,
                         "reconnect.backoff.max.ms": 200})
    consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
    last = {}
    patience = None
    while patience is None or (not acked <= read and time.monotonic() < patience):
        if produced.is_set() and patience is None:
            patience = time.monotonic() + PATIENCE
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        number = int(message.value()[:8])
        if number in read:
            twice.append(number)
        if number < last.get(message.partition(), -1):
            disorder.append(number)
        read.add(number)
        last[message.partition()] = number


def administer():
    n = 0
    while time.monotonic() < until:
        try:
            admin = KafkaAdminClient(bootstrap_servers=ADDR, request_timeout_ms=3000)
            while time.monotonic() < until:
                admin.create_topics([NewTopic("passing-%d" % n, 2, 1)])
                admin.describe_topics(["passing-%d" % n])
                admin.delete_topics(["passing-%d" % n])
                n += 1
                time.sleep(0.1)
        except Exception:  # the broker is between two lives
            n += 1
            time.sleep(0.2)


threads = [threading.Thread(target=f, daemon=True) for f in (produce, consume, administer)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(SECONDS + 3 * PATIENCE)
lost = sorted(acked - read)
ok = bool(acked) and not (failed or lost or twice or disorder) and not any(t.is_alive() for t in threads)
print(json.dumps({"ok": ok, "acked": len(acked), "read": len(read), "failed": failed[:5], "lost": lost[:5],
                  "twice": twice[:5], "disorder": disorder[:5]}))
sys.exit(0 if ok else 1)
