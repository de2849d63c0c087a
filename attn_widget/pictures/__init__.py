"""Pictures: a capture and a Spec in, a Frame out. Owns every rule about what is shown."""
