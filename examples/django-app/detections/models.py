"""What cameras saw."""

from __future__ import annotations

import guarita
from django.db import models


class Detection(models.Model):
    """An event of a camera: the surest of its objects, and the picture around them.

    The picture is in the row, so that both are there or neither is: a crop is about 10 KiB. Where they are whole frames, keep
    them in a file storage instead.
    """

    event_id = models.CharField(max_length=128, unique=True)
    camera = models.CharField(max_length=128)
    time = models.DateTimeField()
    trigger = models.CharField(max_length=256)
    zone = models.CharField(max_length=256, blank=True)
    why = models.TextField(blank=True)
    objects_count = models.PositiveIntegerField("objects")
    # Of the surest object; an event such as an absence has none.
    label = models.CharField(max_length=128, blank=True)
    confidence = models.FloatField(null=True)
    # In pixels of a frame of this size.
    x1 = models.FloatField(null=True)
    y1 = models.FloatField(null=True)
    x2 = models.FloatField(null=True)
    y2 = models.FloatField(null=True)
    frame_width = models.PositiveIntegerField()
    frame_height = models.PositiveIntegerField()
    crop = models.BinaryField(null=True)

    class Meta:
        ordering = ["-time"]
        indexes = [models.Index(fields=["camera", "time"], name="detection_camera_time")]

    def __str__(self) -> str:
        return f"{self.camera} {self.time:%Y-%m-%d %H:%M:%S} {self.trigger}"

    @classmethod
    def from_event(cls, event: guarita.Event) -> Detection:
        """The row of an event, not saved."""
        surest = max((found.detection for found in event.objects), key=lambda found: found.confidence, default=None)
        x1, y1, x2, y2 = surest.bbox.xyxy if surest else (None, None, None, None)
        width, height = event.size
        return cls(
            event_id=event.id,
            camera=event.camera,
            time=event.time,
            trigger=event.trigger,
            zone=event.zone or "",
            why=event.why,
            objects_count=len(event.objects),
            label=surest.label if surest else "",
            confidence=surest.confidence if surest else None,
            x1=x1,
            y1=y1,
            x2=x2,
            y2=y2,
            frame_width=width,
            frame_height=height,
            crop=event.picture.jpeg if event.picture else None,
        )
