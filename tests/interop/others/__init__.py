"""Programs of others, and relays in front of them."""
