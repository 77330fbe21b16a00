"""The command `siammaskpp`: a module for each subcommand, with `add_arguments(commands)` and `run(options)`.

These modules import little at their top, so that `siammaskpp --help` answers at once; a test holds it.
"""
