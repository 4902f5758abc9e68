"""What is done about a run from outside its own steps: approval, cancelling, pause, traffic, sleep."""
