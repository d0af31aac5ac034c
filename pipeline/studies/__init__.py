"""Studies: what is tried beside the pipeline, on the same images, features and settings; a module a study."""
