"""Benchmark of the tracker node from end to end: program bench_node."""
