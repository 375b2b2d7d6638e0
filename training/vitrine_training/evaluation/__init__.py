"""Evaluation: metrics, explanations, robustness and distribution shift."""
