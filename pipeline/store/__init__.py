"""Features kept by content: what decides a value, files of features, looking them up."""
