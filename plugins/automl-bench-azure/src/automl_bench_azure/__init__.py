"""Azure Machine Learning's AutoML for images as a provider of automl-bench."""
