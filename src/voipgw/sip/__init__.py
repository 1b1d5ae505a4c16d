"""SIP: messages, transactions, dialogs and what a gateway needs above them (RFC 3261 and its kin), as values and machines."""
