"""The version of this package, for those that may import nothing else."""

__version__ = "0.1.0"
