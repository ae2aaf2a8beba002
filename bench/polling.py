"""Runs on a host under test, by itself: a client that asks every 10 ms, and notes when it got none.

Says `ready` when it has had an answer, and asks until a line comes in and a gap is over; then
prints one line of JSON: how long each gap was, from the last answer before it to the first one
after it.
"""

import json
import select
import sys
import time
import urllib.request

TICK = 0.01


def main(url: str) -> None:
    gaps: list[float] = []
    last, failed, ready = 0.0, False, False
    while not gaps or failed or not select.select([sys.stdin], [], [], 0)[0]:
        began = time.perf_counter()
        good = answers(url)
        now = time.perf_counter()
        if good:
            if failed and last:
                gaps.append(now - last)
            last, failed = now, False
            if not ready:
                ready = True
                print("ready", flush=True)
        else:
            failed = True
        time.sleep(max(0.0, TICK - (now - began)))
    print(json.dumps(gaps))


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1])
