"""`python -m aiwm_controller`."""

from aiwm_controller.cli import main

main()
