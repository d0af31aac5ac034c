"""What runs the backbone in other processes: workers on this machine, or on many."""
