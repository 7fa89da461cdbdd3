"""`python -m rolevec`, for where the command is not on the path."""

from rolevec.cli.main import main

main(prog_name="rolevec")
