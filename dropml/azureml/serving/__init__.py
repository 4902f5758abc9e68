"""The endpoint process: one managed online endpoint on one machine."""
