"""Huey on a SQLite file, with worker threads. Its default durability is FULL, and its default journal is WAL."""

import os
import random
import sys
import tempfile
import threading
import time

from huey import SqliteHuey

import options as command_line
from runs import Runs

DAY = 86_400


class Contender:
    """A new queue in a folder."""

    def __init__(self, options, folder):
        self.options = options
        self.pad = "x" * options.payload
        self.runs = None
        self.path = os.path.join(folder, "huey.db")
        # Deviation: by default, a result of None is not stored. All contenders keep their results.
        self.huey = SqliteHuey("noop", filename=self.path, store_none=True)
        self.foreign = SqliteHuey("foreign", filename=self.path)
        self.noop = self.huey.task()(self.run)
        self.foreign_noop = self.foreign.task()(self.run)

    def run(self, n, pad=None):
        self.runs.started(n)

    def arguments(self, n):
        return {"n": n, "pad": self.pad} if self.pad else {"n": n}

    def enqueue(self, n):
        self.noop(**self.arguments(n))

    def preload(self, tasks):
        for n in range(tasks):
            self.enqueue(n)

    def conditions(self):
        if self.options.finished:
            self.preload(self.options.finished)
            self.process(Runs(self.options.finished, self.options.finished))
        for n in range(self.options.foreign):
            self.foreign_noop(**self.arguments(n))
        for n in range(self.options.future):
            self.noop.schedule(kwargs=self.arguments(n), delay=DAY, priority=9)

    def start(self, runs):
        self.runs = runs
        # Deviation: the default is one worker.
        consumer = self.huey.create_consumer(workers=self.options.concurrency)
        consumer.start()
        return consumer

    def process(self, runs):
        consumer = self.start(runs)
        runs.wait_for_target()
        consumer.stop(graceful=True)

    def succeeded(self):
        return self.huey.result_count()


def w1(contender, options):
    each = options.n // options.producers
    latencies = [[] for _ in range(options.producers)]

    def produce(producer):
        for n in range(producer * each, (producer + 1) * each):
            called = time.perf_counter_ns()
            contender.enqueue(n)
            latencies[producer].append(time.perf_counter_ns() - called)

    threads = [threading.Thread(target=produce, args=(p,)) for p in range(options.producers)]
    started, cpu = time.perf_counter(), time.process_time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.perf_counter() - started, time.process_time_ns() - cpu
    tasks = each * options.producers
    command_line.report(options, took, tasks, sum(latencies, []), cpu)


def w3(contender, options):
    before = contender.succeeded()
    contender.preload(options.n)
    runs = Runs(options.n, options.n)
    started, cpu = time.perf_counter(), time.process_time_ns()
    consumer = contender.start(runs)
    runs.wait_for_target()
    # A result is the last write of a task. Waiting for the consumer to stop would add up to 100 ms of sleep.
    while contender.succeeded() < before + options.n:
        time.sleep(0.001)
    took, cpu = time.perf_counter() - started, time.process_time_ns() - cpu
    consumer.stop(graceful=True)
    assert contender.succeeded() == before + options.n
    command_line.report(options, took, options.n, cpu=cpu, ran_again=runs.ran_again)


def w4(contender, options):
    runs = Runs(options.n, 0)
    consumer = contender.start(runs)
    time.sleep(0.3)
    latencies, started = [], time.perf_counter()
    for n in range(options.n):
        time.sleep(random.uniform(0.003, 0.009))
        runs.set_target(n + 1)
        called = time.perf_counter_ns()
        contender.enqueue(n)
        latencies.append(runs.wait_for_target() - called)
    took = time.perf_counter() - started
    consumer.stop(graceful=True)
    command_line.report(options, took, options.n, latencies, ran_again=runs.ran_again)


def w5(contender, options):
    contender.preload(options.n + options.backlog)
    runs = Runs(options.n + options.backlog, options.n)
    started, cpu = time.perf_counter_ns(), time.process_time_ns()
    consumer = contender.start(runs)
    took = runs.wait_for_target() - started
    cpu = time.process_time_ns() - cpu
    consumer.stop(graceful=True)
    command_line.report(options, took / 1e9, options.n, cpu=cpu, ran_again=runs.ran_again)


def main():
    options = command_line.read()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.dir) as folder:
        contender = Contender(options, folder)
        contender.conditions()
        {"w1": w1, "w3": w3, "w4": w4, "w5": w5}[options.workload](contender, options)


if __name__ == "__main__":
    sys.exit(main())
