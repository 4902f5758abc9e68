"""What every folder of the emulator stands on: the store, its clock, operations that take a while, errors."""
