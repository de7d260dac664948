# shellcheck shell=bash
# Every row of the table of I/O errors, seen once on the real program with real clients. Sourced by run.sh, which gives
# it $sordini, $mount, $scratch, mounted, unmounted, counter and $wrong.
#
# A row has a data directory of its own on the file system, with 3,000 acknowledged records in each of the partitions 0 and
# 1 of the topic t, so that an error that is aimed at its path strikes nothing else. Its checks are added up in `seen`;
# the row is well if all of them are, and if the error did strike.

# shellcheck disable=SC2154
lines=$scratch/lines
seq 3000 | sed 's/^/a value of some length, number /' > "$lines"
client_seconds=20 # of one command; none of them may hang
broker='' address='' data='' log=$scratch/broker.log more=0 code=0
fine=1 seen=''

ctl() { printf '%s' "$*" > "$mount/.ctl"; }

# Starts the broker on $data and waits until it serves; fails if it ends instead.
start() {
    : > "$scratch/broker.out"
    : > "$log"
    "$sordini" serve --listen "${listen:-127.0.0.1:0}" --data "$data" --set journal.bytes=33554432 --log warn \
        > "$scratch/broker.out" 2> "$log" & broker=$!
    for _ in $(seq 500); do
        address=$(sed -n 's/^sordini is listening on \([^ ]*\).*/\1/p' "$scratch/broker.out")
        [ -n "$address" ] && return 0
        kill -0 "$broker" 2> /dev/null || break
        sleep 0.02
    done
    return 1
}
lives() { kill -0 "$broker" 2> /dev/null; }
# Waits for the end of the broker; its exit code is in $code, or "runs" after ten seconds.
ended() {
    for _ in $(seq 500); do
        if ! lives; then
            code=0
            wait "$broker" || code=$?
            broker=''
            return
        fi
        sleep 0.02
    done
    code=runs
}
stop() {
    lives && kill -TERM "$broker"
    ended
    [ "$code" = 0 ]
}
kill_9() {
    kill -9 "$broker" 2> /dev/null || true
    wait "$broker" 2> /dev/null || true
    broker=''
}
client() { timeout "$client_seconds" "$sordini" "$@" --broker "$address" 2> "$scratch/client.err"; }
produced() { # PARTITION VALUE: whether it is acknowledged within three seconds
    echo "$2" | client produce t --partition "$1" --timeout 3 --quiet > /dev/null
}
# Records of a partition from an offset on, read to the end without an error; "error" and its name otherwise.
records() { # PARTITION [OFFSET]
    if client consume t --partition "$1" --from "${2:-beginning}" > "$scratch/read"; then
        wc -l < "$scratch/read"
    else
        echo "error $(grep -o '[A-Z_]\{6,\}' "$scratch/client.err" | tail -1)"
    fi
}
read_one() { # PARTITION OFFSET: the record there, or the error
    if client consume t --partition "$1" --from "$2" --count 1 > "$scratch/read"; then
        [ -s "$scratch/read" ] && echo read || echo nothing
    else
        echo "error $(grep -o '[A-Z_]\{6,\}' "$scratch/client.err" | tail -1)"
    fi
}
see() { # WHAT WANTED CAME
    seen="$seen${seen:+; }$1 $3"
    if [ "$2" != "$3" ]; then
        fine=0
        seen="$seen (WANTED $2)"
    fi
}
quietly() { "$@" > /dev/null; }
yes_no() { if "$@"; then echo yes; else echo no; fi; }
logged() { yes_no grep -q -i -E "$1" "$log"; }
see_start() { # [how the check is called]
    if start; then up=yes; else up=no; fi
    see "${1:-starts again}" yes $up
}
see_stop() {
    if stop; then down=yes; else down=no; fi
    see "stops well" yes $down
}
struck() { see "it struck" yes "$(yes_no test "$(counter "$1")" -gt "${2:-0}")"; }

row() { # NAME: a stopped broker with its records
    name=$1 fine=1 seen=''
    data=$mount/$name
    printf '%s\n' "$name" >&2
    start && client topic create t --partitions 2 > /dev/null &&
        client produce t --partition 0 --file "$lines" --batch-bytes 1000 --quiet &&
        client produce t --partition 1 --file "$lines" --batch-bytes 1000 --quiet && stop ||
        { fine=0 seen="the row could not be prepared: $(tail -1 "$log")"; return 1; }
    start
    sleep 1.2 # journal files are made in the background, segments written after a second
}
verdict() { # EXPECTED
    [ -z "$broker" ] || kill_9
    ctl "eio write 0"; ctl "eio sync 0"; ctl "eio read 0"; ctl "full 0"
    local mark=ok
    [ $fine = 1 ] || { mark=WRONG; wrong=$((wrong + 1)); }
    printf '| %s | %s | %s | %s |\n' "$name" "$1" "$seen" "$mark" >> "$scratch/table"
    [ $fine = 1 ] || { echo "  WRONG: $seen" >&2; sed 's/^/    /' "$log" | tail -5 | cut -c1-300 >&2; }
    rm -rf "$data"
}
# After the end of a broker that was struck: the power goes too, and all that was acknowledged is there.
all_there() { # PARTITION-0-AT-LEAST
    [ -z "$broker" ] || kill_9
    ctl "eio write 0"; ctl "eio sync 0"; ctl "crash 7"
    see_start
    local p0
    p0=$(records 0)
    see "acknowledged records there" yes "$(yes_no test "${p0#error}" -ge "$1" 2> /dev/null)"
    see "partition 1" 3000 "$(records 1)"
}

journal_fails() { # write|sync
    local before
    row "journal-$1" || { verdict "-"; return; }
    before=$(counter "eio_${1}s")
    ctl "eio $1 1 $name/journal"
    see "acknowledged" no "$(yes_no produced 0 x)"
    ended
    see "exit code" 1 "$code"
    see "log names the file" yes "$(logged 'journal/.*(input/output|os error 5)')"
    struck "eio_${1}s" "$before"
    all_there 3000
    verdict "journal $1 fails: not acknowledged, exit"
}
segment_fails() { # write|sync
    local before
    row "segment-$1" || { verdict "-"; return; }
    before=$(counter "eio_${1}s")
    ctl "eio $1 1 $name/t-0/"
    see "acknowledged (it is in the journal)" yes "$(yes_no produced 0 x)"
    # It is written after a second, and synced when a checkpoint wants it: the end of a life does.
    if [ "$1" = sync ]; then sleep 1.5 && kill -TERM "$broker"; fi
    ended
    see "exit code" 1 "$code"
    see "log names the file" yes "$(logged 't-0/.*(input/output|os error 5)')"
    struck "eio_${1}s" "$before"
    all_there 3001
    verdict "segment $1 EIO: exit, nothing lost"
}
checkpoint_fails() { # write|sync
    local before
    row "checkpoint-$1" || { verdict "-"; return; }
    see "acknowledged" yes "$(yes_no produced 0 x)"
    before=$(counter "eio_${1}s")
    ctl "eio $1 1 $name/checkpoint/"
    kill -TERM "$broker" # the last thing that it does is a checkpoint
    ended
    see "exit code" 1 "$code"
    see "log names the file" yes "$(logged 'checkpoint.*(input/output|os error 5)')"
    struck "eio_${1}s" "$before"
    all_there 3001
    verdict "checkpoint $1 EIO: exit, nothing lost"
}
read_fails() {
    local before
    row read-eio || { verdict "-"; return; }
    before=$(counter eio_reads)
    ctl "eio read 1000000 $name/t-0/00000000000000000000.log"
    see "read there" "error KAFKA_STORAGE_ERROR" "$(read_one 0 1500)"
    struck eio_reads "$before"
    see "partition 1" 3000 "$(records 1)"
    see "append to the same partition" yes "$(yes_no produced 0 x)"
    see "that record" read "$(read_one 0 3000)"
    see "runs" yes "$(yes_no lives)"
    verdict "read EIO: KAFKA_STORAGE_ERROR for that range only, appends go on"
}
batch_rots() {
    local seed=0 bad='' first='' last=''
    row bad-crc || { verdict "-"; return; }
    ctl "rot $((seed + 3)) 1 $name/t-0/00000000000000000000.log"
    bad=$("$sordini" dump "$data/t-0/00000000000000000000.log" 2>&1 | grep -v ' ok$' | head -1) || true
    first=$(sed -n 's/.*offsets \([0-9]*\)\.\.=\([0-9]*\).*/\1/p' <<< "$bad")
    last=$(sed -n 's/.*offsets \([0-9]*\)\.\.=\([0-9]*\).*/\2/p' <<< "$bad")
    see "one batch is bad" yes "$(yes_no test -n "$last")"
    : "${first:=0}" "${last:=0}"
    client consume t --partition 0 > /dev/null || true # finds it
    local round
    for round in "" " after a restart"; do
        see "before it$round" read "$(read_one 0 $((first > 0 ? first - 1 : 0)))"
        see "in it$round" "error KAFKA_STORAGE_ERROR" "$(read_one 0 "$first")"
        see "behind it$round" $((2999 - last)) "$(records 0 $((last + 1)))"
        see "partition 1$round" 3000 "$(records 1)"
        [ -n "$round" ] || { see_stop; see_start; }
    done
    see "append to the same partition" yes "$(yes_no produced 0 x)"
    see "that record" read "$(read_one 0 3000)"
    verdict "bad CRC: FAULTY mark, KAFKA_STORAGE_ERROR for that range only, appends go on"
}
index_rots() {
    local before
    row bad-index || { verdict "-"; return; }
    stop || true
    before=$(counter bits_rotten)
    ctl "rot 5 40 $name/t-0/00000000000000000000.index"
    ctl "rot 6 40 $name/t-1/00000000000000000000.timeindex"
    struck bits_rotten "$before"
    see_start
    see "partition 0" 3000 "$(records 0)"
    see "from the middle" 1500 "$(records 0 1500)"
    see "partition 1" 3000 "$(records 1)"
    see "by time" yes "$(yes_no quietly client consume t --partition 1 --from @0 --count 1)"
    verdict "bad index: rebuilt, nothing lost"
}
disk_full() {
    row full || { verdict "-"; return; }
    client topic create gone --partitions 1 > /dev/null
    ctl "full 1"
    sleep 0.2 # free space is asked for ten times a second
    # The journal has room for one more: the free space is looked at behind each group.
    if produced 0 x; then more=1; else more=0; fi
    sleep 0.3
    see "append acknowledged" no "$(yes_no produced 0 refused)"
    see "error" KAFKA_STORAGE_ERROR "$(grep -o 'KAFKA_STORAGE_ERROR' "$scratch/client.err" | tail -1)"
    see "log says so" yes "$(logged 'full|space')"
    see "reads go on" 3000 "$(records 1)"
    see "a topic can be deleted" yes "$(yes_no quietly client topic delete gone)"
    see "runs" yes "$(yes_no lives)"
    see_stop
    see_start "starts while full"
    see "reads" $((3000 + more)) "$(records 0)"
    ctl "full 0"
    sleep 1.5
    see "append once there is room" yes "$(yes_no produced 0 x)"
    see "all there" $((3001 + more)) "$(records 0)"
    see_stop
    verdict "ENOSPC: read-only with a clear error, reads and deletes go on, recovers by itself"
}
# A disk that fills and empties at any moment, also while journal files are made: the process never ends.
full_at_any_moment() {
    local ends=0 turns=40 before acknowledged=0 n=0
    name=full-under-load fine=1 seen=''
    data=$mount/$name
    printf '%s\n' "$name" >&2
    before=$(counter refused_full)
    for turn in $(seq $turns); do
        # Half of the turns begin with an empty directory, whose journal is still to be made.
        if [ $((turn % 2)) = 1 ]; then
            [ -z "$broker" ] || kill_9
            rm -rf "$data"
            n=0
            start || { ends=$((ends + 1)); continue; }
            client topic create t --partitions 2 > /dev/null || true
        fi
        ( while echo; do sleep 0.002; done 2> /dev/null | sed -u "s/^/$(head -c 300 /dev/zero | tr '\0' v)/" |
            timeout 2 "$sordini" produce t --partition 0 --timeout 1 --quiet --broker "$address" ) \
            > /dev/null 2>&1 & local load=$!
        sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
        ctl "full 1"
        sleep "0.$((RANDOM % 9))$((RANDOM % 9))"
        ctl "full 0"
        wait "$load" || true
        if lives; then
            sleep 0.6
            if produced 1 "$turn"; then acknowledged=$((acknowledged + 1)) n=$((n + 1)); fi
            [ "$(records 1)" = $n ] || { see "records of partition 1 in turn $turn" $n "$(records 1)"; }
        else
            ends=$((ends + 1))
            grep -E 'ERROR|Error' "$log" | tail -1 | cut -c1-300 | sed 's/^/    ended: /' >&2
            start || true
        fi
    done
    struck refused_full "$before"
    see "of $turns times the process ended" 0 $ends
    see "appends afterwards" $turns $acknowledged
    verdict "ENOSPC at any moment of a load: never an exit, appends go on afterwards"
}
# Really full: the room is what topics leave, and comes back when one is deleted.
really_full() {
    name=filled fine=1 seen=''
    data=$mount/$name
    printf '%s\n' "$name" >&2
    start
    client topic create t --partitions 2 > /dev/null
    client topic create big --partitions 1 > /dev/null
    produced 0 first || true
    head -c 300000000 /dev/zero | tr '\0' v | fold -w 100000 > "$scratch/much"
    see "all of it acknowledged" no \
        "$(yes_no quietly client produce big --file "$scratch/much" --timeout 3 --batch-bytes 500000 --quiet)"
    see "error" KAFKA_STORAGE_ERROR "$(grep -o 'KAFKA_STORAGE_ERROR' "$scratch/client.err" | tail -1)"
    rm "$scratch/much"
    see "reads go on" 1 "$(records 0)"
    see "the big topic can be deleted" yes "$(yes_no quietly client topic delete big)"
    sleep 2
    see "append afterwards" yes "$(yes_no produced 0 x)"
    see_stop
    verdict "a disk that is filled: read-only before it is full, and again writable by a deletion"
}
# A start that must not be: exits and says what to do.
refuses() { # EXPECTED
    if start; then
        see "starts" no yes
        seen="$seen with $(records 0) and $(records 1) records"
    else
        ended
        see "exit code" 1 "$code"
        see "names the file or the log" yes "$(logged 'checkpoint|journal|metadata')"
        see "names a remedy" yes "$(logged 'restore|sordini check|empty one|backup')"
        seen="$seen: \"$(tail -1 "$log" | cut -c1-160)\""
    fi
    verdict "$1"
}
metadata_bad() {
    row bad-checkpoint || { verdict "-"; return; }
    stop || true
    ctl "rot 1 5 $name/checkpoint/current"
    ctl "rot 2 5 $name/checkpoint/previous"
    refuses "both checkpoints bad (metadata, hard state): refuses to start, naming the remedy"

    row one-bad-checkpoint || { verdict "-"; return; }
    stop || true
    ctl "rot 1 5 $name/checkpoint/current"
    if start; then
        see "partition 0" 3000 "$(records 0)"
        see "partition 1" 3000 "$(records 1)"
        see "log says so" yes "$(logged 'checkpoint')"
        verdict "the newer checkpoint bad: the previous one serves, or a refusal that names the remedy"
    else
        refuses "the newer checkpoint bad: the previous one serves, or a refusal that names the remedy"
    fi

    # The journal has been written over since the previous one: it alone does not say everything.
    row one-bad-checkpoint-later || { verdict "-"; return; }
    quietly client topic create big --partitions 1
    head -c 100000000 /dev/zero | tr '\0' v | fold -w 100000 > "$scratch/much"
    see "acknowledged" yes \
        "$(yes_no client produce big --file "$scratch/much" --batch-bytes 500000 --quiet)"
    rm "$scratch/much"
    see_stop
    ctl "rot 1 5 $name/checkpoint/current"
    if start; then
        see "partition 0" 3000 "$(records 0)"
        see "partition 1" 3000 "$(records 1)"
        see "of the big topic" 1000 "$(client consume big | wc -l)"
        verdict "the same after the journal was recycled: everything, or a refusal that names the remedy"
    else
        refuses "the same after the journal was recycled: everything, or a refusal that names the remedy"
    fi

    # Before any checkpoint the metadata log is in the journal only; its first groups create the topic.
    name=bad-metadata fine=1 seen=''
    data=$mount/$name
    printf '%s\n' "$name" >&2
    start && client topic create t --partitions 2 > /dev/null
    for n in $(seq 20); do produced 0 "$n" || true; done
    kill_9
    flip_metadata "$data/journal/00000001.journal"
    refuses "bad metadata log: refuses to start, naming the remedy"
}
# Flips a byte in the text of the topic's name wherever the journal holds it behind its first group.
flip_metadata() { # FILE
    local at
    at=$(grep -obUa 'cleanup.policy\|t-0' "$1" | head -1 | cut -d: -f1)
    see "the journal holds the topic" yes "$(yes_no test -n "$at")"
    printf '\377' | dd of="$1" bs=1 seek="${at:-0}" conv=notrunc status=none
}

: > "$scratch/table"
mounted
journal_fails write
journal_fails sync
segment_fails write
segment_fails sync
checkpoint_fails write
checkpoint_fails sync
read_fails
batch_rots
index_rots
disk_full
full_at_any_moment
metadata_bad
unmounted
mounted --bytes $((320 << 20))
really_full
unmounted
printf '\n| row | expected | seen | |\n|---|---|---|---|\n'
cat "$scratch/table"
