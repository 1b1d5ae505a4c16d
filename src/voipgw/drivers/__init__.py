"""Line cards and spans, real and simulated."""
