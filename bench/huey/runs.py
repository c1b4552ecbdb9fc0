"""Which tasks ran, how often, and when the last of those that count began."""

import threading
import time


class Runs:
    """For tasks numbered from 0 to `tasks`, of which so many are wanted."""

    def __init__(self, tasks, wanted):
        self.seen = bytearray(tasks)
        self.ran = 0
        self.again = 0
        self.wanted = wanted
        self.lock = threading.Lock()
        self.event = threading.Event()
        self.reached_at = 0

    def started(self, n):
        with self.lock:
            if self.seen[n]:
                self.again += 1
                return
            self.seen[n] = 1
            self.ran += 1
            if self.ran == self.wanted:
                self.reached_at = time.perf_counter_ns()
                self.event.set()

    def want(self, tasks):
        self.wanted = tasks
        self.event.clear()

    def reached(self):
        """When the last one that was wanted started."""
        if not self.event.wait(timeout=300):
            raise SystemExit("huey: the tasks have not started within 300 s")
        return self.reached_at
