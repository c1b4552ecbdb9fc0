"""The command line of bench/harness, as far as Huey supports it, and the same JSON result."""

import argparse
import json
import sqlite3

DEFAULT_N = {"w1": 100_000, "w3": 100_000, "w4": 1_000, "w5": 10_000}


def read():
    parser = argparse.ArgumentParser(description="Runs one workload of Huey once.")
    parser.add_argument("--workload", choices=["w1", "w2", "w3", "w4", "w5"], required=True)
    parser.add_argument("--durability", choices=["full", "normal"], default="full")
    for name, default in [("producers", 1), ("concurrency", 10), ("payload", 0)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ["backlog", "future", "foreign", "finished"]:
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--n", type=int)
    parser.add_argument("--as-shipped", action="store_true")
    parser.add_argument("--dir", default=".")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.workload == "w2":
        raise SystemExit("huey: it has no bulk enqueue call")
    if options.durability == "normal":
        raise SystemExit("huey: it supports FULL (its default) and OFF, but not NORMAL")
    options.n = options.n or DEFAULT_N[options.workload]
    return options


def micros(nanos):
    return round(nanos / 1000, 1)


def percentile(ordered, percent):
    return micros(ordered[max(0, -(-len(ordered) * percent // 100) - 1)])


def report(options, seconds, tasks, latencies=(), cpu=None, ran_again=0):
    """Prints the result. Latencies and CPU time are in nanoseconds."""
    ordered = sorted(latencies)
    only_latency = options.workload == "w4"
    line = {"contender": "huey", "sqlite": sqlite3.sqlite_version, **vars(options)}
    line.pop("dir"), line.pop("json")
    line |= {
        "per_second": None if only_latency else round(tasks / seconds),
        "p50_us": percentile(ordered, 50) if ordered else None,
        "p99_us": percentile(ordered, 99) if ordered else None,
        "curve_us": [percentile(ordered, p) for p in range(1, 101)] if only_latency else [],
        "seconds": seconds,
        "cpu_us": micros(cpu / tasks) if cpu else None,
        "ran_again": ran_again,
    }
    if not options.json:
        print(f"huey: {options.n} tasks in {seconds:.3f} s")
    print(json.dumps(line, separators=(",", ":")))
