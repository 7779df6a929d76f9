"""``python -m edgemem.cli``."""

from edgemem.cli import main

main(prog_name="edgemem")
