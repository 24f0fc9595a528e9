"""Every build that was ever tried: kept beside the project, or in MLflow."""
