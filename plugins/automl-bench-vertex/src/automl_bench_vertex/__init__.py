"""Google Vertex AI AutoML classification of images and tables as a provider of automl-bench."""
