"""Uses a quarter of a core, then tells what it used: burner.py SECONDS [SHARE]. Prints CPU seconds by its own clock."""

import sys
import time

seconds, share = float(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.25
end = time.monotonic() + seconds
while time.monotonic() < end:
    burnt = time.process_time()
    started = time.monotonic()
    while time.process_time() - burnt < 0.02 * share:
        pass
    time.sleep(max(0.0, 0.02 - (time.monotonic() - started)))
print(time.process_time(), flush=True)
sys.stdin.readline()  # stays until it is told to go: its series must still be there
