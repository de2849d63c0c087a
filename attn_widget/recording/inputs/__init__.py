"""What a person gives -> what the model is called with, and what stands at each position."""
