#!/usr/bin/env bash
# Writes Kafka's own bytes as first inputs to corpus/: needs python3.
set -eu
cd "$(dirname "$0")"
python3 - <<'PY'
import gzip, json, pathlib, re
root = pathlib.Path("corpus")
# The order of the messages is that of MESSAGES in src/message/descriptor.rs.
names = re.findall(r"Descriptor::of::<(?:\w+::)?(\w+)>\(\)", open("../src/message/descriptor.rs").read())
for target in ("decode_request", "decode_batch", "frame"):
    (root / target).mkdir(parents=True, exist_ok=True)
for i, line in enumerate(gzip.open("../tests/data/golden.jsonl.gz", "rt")):
    v = json.loads(line)
    if v["message"] in names:
        body = bytes.fromhex(v["hex"])
        (root / "decode_request" / f"{i}").write_bytes(bytes([names.index(v["message"]), v["version"]]) + body)
        if len(body) < 200:
            (root / "frame" / f"{i}").write_bytes(bytes([2, 5, 40]) + len(body).to_bytes(4, "big") + body)
for i, line in enumerate(gzip.open("../tests/data/batches.jsonl.gz", "rt")):
    (root / "decode_batch" / f"{i}").write_bytes(bytes.fromhex(json.loads(line)["hex"]))
PY
du -sh corpus/*
