"""The live widget: traits, and the messages between kernel and page."""
