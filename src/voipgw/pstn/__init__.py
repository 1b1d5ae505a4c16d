"""The telephone world as machines: lines, spans, ISDN, and the Driver protocol that hardware obeys."""
