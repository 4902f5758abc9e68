"""An emulator of Azure Machine Learning's control plane: `python -m dropml.azureml`."""
