"""What the fork server imports before its first fork, and nothing else imports: it acts on import."""

from dropml.azureml.automl.lifeline import die_with_parent

die_with_parent()

from dropml.azureml.automl.search import worker  # noqa: E402, F401  seconds of imports: by now the server cannot be left behind
