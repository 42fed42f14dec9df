"""What an item is: an image, a text, a set of codes, a record."""
