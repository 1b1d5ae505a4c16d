"""Sockets: UDP, TCP, the driver of SIP machines, RTP port pairs, the media engine's threads."""
