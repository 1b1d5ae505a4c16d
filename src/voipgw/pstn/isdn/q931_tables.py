"""Code points of ITU-T Q.931 chapter 4: message types, information elements, and which elements a message must have."""

from __future__ import annotations

import enum


class MessageType(enum.IntEnum):
    """Message types of table 4-2, and the maintenance messages of the North American switches."""

    ESCAPE = 0x00
    ALERTING = 0x01
    CALL_PROCEEDING = 0x02
    PROGRESS = 0x03
    SETUP = 0x05
    CONNECT = 0x07
    SETUP_ACKNOWLEDGE = 0x0D
    CONNECT_ACKNOWLEDGE = 0x0F
    USER_INFORMATION = 0x20
    SUSPEND_REJECT = 0x21
    RESUME_REJECT = 0x22
    HOLD = 0x24
    SUSPEND = 0x25
    RESUME = 0x26
    HOLD_ACKNOWLEDGE = 0x28
    SUSPEND_ACKNOWLEDGE = 0x2D
    RESUME_ACKNOWLEDGE = 0x2E
    HOLD_REJECT = 0x30
    RETRIEVE = 0x31
    RETRIEVE_ACKNOWLEDGE = 0x33
    RETRIEVE_REJECT = 0x37
    DISCONNECT = 0x45
    RESTART = 0x46
    RELEASE = 0x4D
    RESTART_ACKNOWLEDGE = 0x4E
    RELEASE_COMPLETE = 0x5A
    SEGMENT = 0x60
    FACILITY = 0x62
    NOTIFY = 0x6E
    STATUS_ENQUIRY = 0x75
    CONGESTION_CONTROL = 0x79
    INFORMATION = 0x7B
    STATUS = 0x7D


class ElementId(enum.IntEnum):
    """Information element identifiers of codeset 0 (table 4-3)."""

    CHANGE_STATUS = 0x01  #: of maintenance messages
    BEARER_CAPABILITY = 0x04
    CAUSE = 0x08
    CALL_IDENTITY = 0x10
    CALL_STATE = 0x14
    CHANNEL_IDENTIFICATION = 0x18
    FACILITY = 0x1C
    PROGRESS_INDICATOR = 0x1E
    NETWORK_SPECIFIC_FACILITIES = 0x20
    NOTIFICATION_INDICATOR = 0x27
    DISPLAY = 0x28
    DATE_TIME = 0x29
    KEYPAD_FACILITY = 0x2C
    SIGNAL = 0x34
    INFORMATION_RATE = 0x40
    CONNECTED_NUMBER = 0x4C
    CONNECTED_SUBADDRESS = 0x4D
    CALLING_NUMBER = 0x6C
    CALLING_SUBADDRESS = 0x6D
    CALLED_NUMBER = 0x70
    CALLED_SUBADDRESS = 0x71
    ORIGINAL_CALLED_NUMBER = 0x73
    REDIRECTING_NUMBER = 0x74
    REDIRECTION_NUMBER = 0x76
    TRANSIT_NETWORK_SELECTION = 0x78
    RESTART_INDICATOR = 0x79
    LOW_LAYER_COMPATIBILITY = 0x7C
    HIGH_LAYER_COMPATIBILITY = 0x7D
    USER_USER = 0x7E
    SHIFT = 0x90
    MORE_DATA = 0xA0
    SENDING_COMPLETE = 0xA1
    CONGESTION_LEVEL = 0xB0
    REPEAT_INDICATOR = 0xD0


class CallState(enum.IntEnum):
    """Call states of section 2.1; the value is the one of the call state element. U and N states share their numbers."""

    NULL = 0
    CALL_INITIATED = 1
    OVERLAP_SENDING = 2
    OUTGOING_CALL_PROCEEDING = 3
    CALL_DELIVERED = 4
    CALL_PRESENT = 6
    CALL_RECEIVED = 7
    CONNECT_REQUEST = 8
    INCOMING_CALL_PROCEEDING = 9
    ACTIVE = 10
    DISCONNECT_REQUEST = 11
    DISCONNECT_INDICATION = 12
    SUSPEND_REQUEST = 15
    RESUME_REQUEST = 17
    RELEASE_REQUEST = 19
    CALL_ABORT = 22
    OVERLAP_RECEIVING = 25


#: Elements without which a message cannot be acted on (section 3.1), whichever side sends it.
MANDATORY: dict[int, tuple[int, ...]] = {
    MessageType.SETUP: (ElementId.BEARER_CAPABILITY,),
    MessageType.DISCONNECT: (ElementId.CAUSE,),
    MessageType.STATUS: (ElementId.CAUSE, ElementId.CALL_STATE),
    MessageType.NOTIFY: (ElementId.NOTIFICATION_INDICATOR,),
    MessageType.PROGRESS: (ElementId.PROGRESS_INDICATOR,),
    MessageType.RESTART: (ElementId.RESTART_INDICATOR,),
    MessageType.RESTART_ACKNOWLEDGE: (ElementId.RESTART_INDICATOR,),
    MessageType.FACILITY: (ElementId.FACILITY,),
    MessageType.SUSPEND_REJECT: (ElementId.CAUSE,),
    MessageType.RESUME_ACKNOWLEDGE: (ElementId.CHANNEL_IDENTIFICATION,),
    MessageType.RESUME_REJECT: (ElementId.CAUSE,),
    MessageType.HOLD_REJECT: (ElementId.CAUSE,),
    MessageType.RETRIEVE_REJECT: (ElementId.CAUSE,),
    MessageType.USER_INFORMATION: (ElementId.USER_USER,),
    MessageType.CONGESTION_CONTROL: (ElementId.CONGESTION_LEVEL, ElementId.CAUSE),
}

#: Type of number (table 4-9), octet 3 bits 7 to 5.
TYPES_OF_NUMBER = ("unknown", "international", "national", "network specific", "subscriber", "5", "abbreviated", "7")
