"""`python -m weighbridge` is the same as `weighbridge`."""

from weighbridge.cli.main import main

main()
