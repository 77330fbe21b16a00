"""python -m siammaskpp_core.cli: the `siammaskpp` command, as torchrun starts it."""

import sys

from siammaskpp_core.cli.main import main

sys.exit(main())
