"""What you say. So far: which devices there are to hear it."""
