"""What the subcommands of `siammaskpp` do, one module each with `run(options)`; and their arguments."""
