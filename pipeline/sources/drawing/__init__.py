"""How the project draws its own example pictures: animals, flowers and the places around them."""
