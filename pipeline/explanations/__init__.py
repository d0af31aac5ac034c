"""Where in an image a head finds its class: class activation maps, and how they are drawn."""
