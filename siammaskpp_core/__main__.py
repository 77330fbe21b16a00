"""Run the command `siammaskpp` as ``python -m siammaskpp_core``."""

import sys

from siammaskpp_core.cli.main import main

sys.exit(main())
