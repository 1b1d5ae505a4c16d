"""What the tests with real programs share: processes, ports, sipp, baresip, our own programs, sounds and captures."""
