#!/bin/sh
# Fills corpus/ with seeds: the torture messages in the tree and, where they are, the shared messages (DIALPLANE_SHARED, or
# ../shared beside the project). corpus/ is not committed. Values such as URIs are cut out of the messages by their targets.
set -eu
cd "$(dirname "$0")"
shared=${DIALPLANE_SHARED:-../../../shared}
for target in datagram datagrams stream rewrite validate response edits; do
    mkdir -p "corpus/$target"
    for file in ../syntax/tests/corpus/*/*.dat ../syntax/tests/regressions/* "$shared"/messages/*.sip \
        "$shared"/torture/malformed/*/*.dat "$shared"/torture/malformed/authored/stream--*.bin; do
        [ -f "$file" ] || continue
        [ "$(wc -c <"$file")" -le 16384 ] || continue
        name=$(echo "$file" | tr -c 'A-Za-z0-9\n' '_')
        [ -f "corpus/$target/$name" ] || cp "$file" "corpus/$target/$name"
    done
done
for target in uri values digest; do
    mkdir -p "corpus/$target"
    [ -n "$(find "corpus/$target" -name 'line_*' -print -quit)" ] && continue
    # One seed for each value of the messages: what stands behind the colon of a line.
    cat ../syntax/tests/corpus/*/*.dat "$shared"/messages/*.sip 2>/dev/null | tr -d '\r' | LC_ALL=C grep -a '^[A-Za-z-]*:' |
        LC_ALL=C sed 's/^[A-Za-z-]*: *//; s/.*<\(.*\)>.*/&\n\1/' | LC_ALL=C sort -u |
        awk -v folder="corpus/$target" 'length($0) > 2 && length($0) < 1024 { file = folder "/line_" NR; printf "%s", $0 > file; close(file) }'
done
