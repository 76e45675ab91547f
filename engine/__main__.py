"""The command line: `python -m engine --help`."""

from engine.cli import cli

if __name__ == "__main__":
    cli(prog_name="python -m engine")
