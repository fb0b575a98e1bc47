"""Other people's gaze files, in and out."""
