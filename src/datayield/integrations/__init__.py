"""Connects a study with Prefect, MLflow and Ray; no other room imports these tools."""
