"""Members put together into one model: saved, compiled, explained."""
