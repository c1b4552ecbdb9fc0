"""Records which tasks ran, how often, and when the last awaited task started."""

import threading
import time


class Runs:
    """A record of the tasks 0 to `tasks` - 1. The target is reached when `target` of them have run."""

    def __init__(self, tasks, target):
        self.seen = bytearray(tasks)
        self.ran = 0
        self.ran_again = 0
        self.target = target
        self.lock = threading.Lock()
        self.event = threading.Event()
        self.reached_at = 0

    def started(self, n):
        with self.lock:
            if self.seen[n]:
                self.ran_again += 1
                return
            self.seen[n] = 1
            self.ran += 1
            if self.ran == self.target:
                self.reached_at = time.perf_counter_ns()
                self.event.set()

    def set_target(self, tasks):
        self.target = tasks
        self.event.clear()

    def wait_for_target(self):
        """Waits until the target is reached. Returns the time at which the last awaited task started."""
        if not self.event.wait(timeout=300):
            raise SystemExit("huey: the tasks have not started within 300 s")
        return self.reached_at
