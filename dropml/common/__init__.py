"""What host, emulator and stack share: NCRONTAB, child processes, logs, folders, bounded HTTP."""
