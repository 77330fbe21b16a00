"""Many recordings: a file of jobs, processed on all cores of a machine or on a Dask cluster.

Each job runs in a process of its own, so that a recording that crashes a decoder, or needs too much memory,
stops nothing else. Its folder appears when it is complete; a batch that is started again skips those.
"""
