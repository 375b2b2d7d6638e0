"""Feedback log: wrong answers that people flagged, with the right label, as lines in a file."""

from vitrine_serving.gateway.telemetry.feedback.flags import Flag, Flagged
from vitrine_serving.gateway.telemetry.feedback.log import FeedbackLog

__all__ = ["FeedbackLog", "Flag", "Flagged"]
