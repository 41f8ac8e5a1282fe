"""Google Vertex AI AutoML image classification as a provider of automl-bench."""
