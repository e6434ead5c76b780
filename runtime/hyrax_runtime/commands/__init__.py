"""The commands of `hyrax-run`, one module each: `add_arguments(parser)` and `run(arguments) -> exit code`."""
