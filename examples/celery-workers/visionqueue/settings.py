"""What the environment says; the README lists it."""

import os

BROKER_URL = os.environ.get("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
MODEL = os.environ.get("MODEL", "model.onnx")
CONFIDENCE = float(os.environ.get("CONFIDENCE", "0.4"))
RESULTS_DB = os.environ.get("RESULTS_DB", "results.sqlite3")

#: Detections with these labels are cut out and read; none by default.
OCR_LABELS = frozenset(label.strip() for label in os.environ.get("OCR_LABELS", "").split(",") if label.strip())
#: Who reads: `rekognition`, or `module:function` of a function from the bytes of a JPEG to lines of text.
OCR_READER = os.environ.get("OCR_READER", "")

#: Tries after the first one, where the error's advice is to come back later.
MAX_RETRIES = int(os.environ.get("MAX_RETRIES", "5"))
#: The longest wait before the first of them, in seconds; it doubles with each.
RETRY_BASE_S = float(os.environ.get("RETRY_BASE_S", "1"))
#: How often a frame may be delivered anew, because a worker died over it, before it is taken for the reason.
MAX_REDELIVERIES = int(os.environ.get("MAX_REDELIVERIES", "5"))
