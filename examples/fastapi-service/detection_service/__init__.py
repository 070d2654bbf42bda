"""Object detection over HTTP: pictures and videos in, boxes and events out."""
