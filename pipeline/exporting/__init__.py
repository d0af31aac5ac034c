"""A backbone and its trained head as one model, for programs that do not have this project."""
