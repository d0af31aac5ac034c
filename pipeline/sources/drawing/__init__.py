"""How the project draws its own example images: animals, flowers and the places around them."""
