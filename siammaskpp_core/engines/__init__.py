"""Runtimes that execute the network's graphs, and the export of these graphs."""
