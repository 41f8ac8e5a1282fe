"""automl-bench: which hosted AutoML service should you use for your labelled data?"""

__version__ = "0.1.0"
