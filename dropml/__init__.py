"""DropML's command line, and Azure on one machine."""

__version__ = "0.1.0"
