"""`python -m areplicate` is the `areplicate` command."""

from .cli import main

main(prog_name="areplicate")
