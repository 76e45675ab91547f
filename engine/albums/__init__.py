"""Albums of photos: named sets of phrases, how photos fit them, and photos sorted into them."""
