"""What happens when a visitor does something: from what they gave to what is shown, a module for each part."""
