"""What Azure AutoML and the gate call their metrics and algorithms, by task."""

from __future__ import annotations

#: Azure's names, https://learn.microsoft.com/azure/machine-learning/how-to-configure-auto-train (primary metric).
PRIMARY_METRICS = {
    "classification": (
        "AUC_weighted",
        "accuracy",
        "norm_macro_recall",
        "average_precision_score_weighted",
        "precision_score_weighted",
    ),
    "regression": (
        "spearman_correlation",
        "normalized_root_mean_squared_error",
        "r2_score",
        "normalized_mean_absolute_error",
    ),
}
#: The same page (supported algorithms), names as in the REST API's ClassificationModels and RegressionModels.
ALGORITHMS = {
    "classification": (
        "LogisticRegression",
        "SGD",
        "MultinomialNaiveBayes",
        "BernoulliNaiveBayes",
        "SVM",
        "LinearSVM",
        "KNN",
        "DecisionTree",
        "RandomForest",
        "ExtremeRandomTrees",
        "LightGBM",
        "GradientBoosting",
        "XGBoostClassifier",
    ),
    "regression": (
        "ElasticNet",
        "GradientBoosting",
        "DecisionTree",
        "KNN",
        "LassoLars",
        "SGD",
        "RandomForest",
        "ExtremeRandomTrees",
        "LightGBM",
        "XGBoostRegressor",
    ),
}
#: `auto` is the primary metric where deployments answer probabilities, else balanced accuracy; for regression R2.
GATE_METRICS = {
    "classification": (
        "auto",
        "balanced_accuracy",
        "f1_macro",
        *PRIMARY_METRICS["classification"],
    ),
    "regression": ("auto", "r2_score"),
}
