"""AutoML, command and pipeline jobs, each a process; schedules."""
