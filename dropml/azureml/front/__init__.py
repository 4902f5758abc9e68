"""The emulator's HTTP servers: paths to handlers, faults on order, TLS."""
