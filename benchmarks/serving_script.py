"""What azureml-inference-server-http is given to run in the serving benchmark."""

SCORE_PY = '''"""The entry script: what Azure generates for an MLflow model, shortened to what a DataFrame needs."""

import json
import os

import mlflow.pyfunc
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

folder = os.environ["AZUREML_MODEL_DIR"]
with open(os.path.join(folder, "input_example.json")) as file:
    example = json.load(file)
sample = pd.DataFrame(example["data"], columns=example["columns"])


def init():
    global model
    model = mlflow.pyfunc.load_model(folder)


@input_schema("input_data", PandasParameterType(sample, enforce_shape=False, orient="split"))
@output_schema(StandardPythonParameterType(["no"]))
def run(input_data):
    return model.predict(input_data).tolist()
'''
