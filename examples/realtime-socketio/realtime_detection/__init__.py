"""Objects in the frames of a browser's camera, over Socket.IO."""
