"""What people ask of a run or a dataset, taken down."""
