"""`python -m backburner_site`: what build.py hands over to."""

import sys

from backburner_site.command_line import main

sys.exit(main(sys.argv[1:]))
