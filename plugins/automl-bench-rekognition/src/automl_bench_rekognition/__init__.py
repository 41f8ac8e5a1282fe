"""Amazon Rekognition Custom Labels as a provider of automl-bench."""
