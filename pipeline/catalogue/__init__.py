"""What is known by name: datasets and backbones. Data only; imports nothing heavy."""
