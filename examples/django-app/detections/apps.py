"""The app that keeps what cameras saw."""

from django.apps import AppConfig


class DetectionsConfig(AppConfig):
    name = "detections"
