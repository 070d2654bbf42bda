"""Who steps onto the tracks? A detector, a zone, a trigger, and a recording in place of a camera."""

import guarita

detector = guarita.Detector(".models/coco_ssd_mobilenet_v2.onnx")
zone: guarita.types.Zone = {"name": "tracks", "area": [(0.42, 0.45), (0.52, 0.45), (0.63, 1), (0.27, 1)]}
steps: guarita.types.TriggerConfig = {"name": "steps", "when": {"enter": {"classes": ["person"], "zone": "tracks"}}}
sinks = {"print": lambda event: print(f"{event.pts:5.1f} s  {event.trigger}: {event.why}")}
with guarita.Pipeline(guarita.LocalProvider(detector), sinks=sinks) as pipeline:
    # No motion gate: this camera rides on a cable car; one that stands still keeps it.
    end = pipeline.run_file(".clips/market_street.mp4", "street", fps=2, motion=False, zones=[zone], triggers=[steps])
print(f"{end.account.pushed} frames, {end.account.dropped} dropped, {end.events} events")
