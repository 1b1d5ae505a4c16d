"""RTP and RTCP formats and arithmetic (RFC 3550), telephone events (RFC 4733)."""
