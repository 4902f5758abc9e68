"""From dropped to live: each step, and `loop`, which takes them in turn."""
